// One thread for what tuning does beside the calls: reading a fleet's records, collecting times, writing records. The first use starts
// it, the process' end waits for what it is doing (a store's deadlines bound that). A forked child has its own, once it uses it.
#pragma once
#include <functional>

#include "core/base.h"

namespace gems {

GEMS_API void in_background(std::function<void()> job);
// Calls f again and again: it returns the milliseconds until the next time; below 0: not until the next of these calls. Once more at the
// end of the process.
void poll_in_background(int (*f)());

}  // namespace gems
