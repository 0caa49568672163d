// What every file of the core uses: the ABI, export marks, settings and logging.
#pragma once
#include <string>

#include "gems/backend_abi.h"
#include "gems/op.h"

#define GEMS_API __attribute__((visibility("default")))

namespace gems {

// The only reader of the environment. `name` is a full variable name ("GEMS_CACHE_DIR"); nullptr when unset or empty.
// Values are read once per name and kept: changing the environment later has no effect.
GEMS_API const char* setting(const char* name);
// What setting(name) gives when the environment doesn't say; no effect once the name was read.
GEMS_API void default_setting(const char* name, const std::string& value);

// The folder of what is kept between processes (compiled kernels, tuning records): GEMS_CACHE_DIR, $XDG_CACHE_HOME/flag_gems or
// ~/.cache/flag_gems; "" where none of them says. Not made here.
GEMS_API std::string cache_folder();
// mkdir -p, readable by the owner only where a folder is new.
GEMS_API bool make_folders(const std::string& path);

// level: 0 debug, 1 info, 2 warning, 3 error. Goes to stderr from GEMS_LOG_LEVEL (default 2) upwards.
GEMS_API void log(int level, const std::string& text);

}  // namespace gems
