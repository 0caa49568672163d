// Run-time compilation: NVRTC, opened with dlopen. Needs no GPU and no driver.
#pragma once
#include <string>
#include <vector>

namespace gems::cuda {

// A text that units include.
struct Header {
  std::string name;
  const char* text;
  std::string digest;                 // SHA-256 of the text
  std::vector<std::string> includes;  // by name, those that don't exist among them
};

struct Compiled {
  bool ok = false;
  std::string binary;  // cubin, or PTX for a device newer than this NVRTC
  std::string log;     // the compiler's, also the reason when !ok
};

// nullptr and *why if there is no usable NVRTC; otherwise "13.0".
const char* nvrtc_version(const char** why);
// The -arch option for a compute capability: "sm_90a", or "compute_120" (PTX, finished by the driver) if this NVRTC doesn't
// know the device yet.
std::string nvrtc_arch(int cc_major, int cc_minor);
Compiled nvrtc_compile(const std::string& unit, const std::vector<const Header*>& headers,
                       const std::vector<std::string>& options, bool ptx);

}  // namespace gems::cuda
