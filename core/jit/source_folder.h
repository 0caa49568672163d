// Kernel texts from a source tree (GEMS_KERNEL_DIR) in place of the embedded ones.
#pragma once

namespace gems {

// Text of DIR/NAME or DIR/include/NAME, kept for the life of the process; nullptr if it can't be read.
const char* source_from_directory(const char* dir, const char* name);

}  // namespace gems
