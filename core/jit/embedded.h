// Kernel sources embedded at build time (cmake/embed.cmake), by include name: "kernels/simt/pointwise.cuh".
#pragma once

namespace gems {
struct EmbeddedSource {
  const char* name;
  const char* text;
};
extern const EmbeddedSource kEmbedded[];
extern const int kEmbeddedCount;
}  // namespace gems
