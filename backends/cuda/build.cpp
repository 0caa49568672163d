// From a kernel's text to a loaded function: kernel cache, packs, NVRTC.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/cuda/internal.h"

namespace gems::cuda {
namespace {

std::string first_lines(const std::string& log, int n) {
  size_t at = 0;
  while (n-- > 0 && at != std::string::npos) at = log.find('\n', at + (at ? 1 : 0));
  return at == std::string::npos ? log : log.substr(0, at);
}

// Where a reader of the message finds the text that didn't compile.
std::string dump_unit(const std::string& unit, const std::string& key) {
  const char* dir = host().setting ? host().setting("GEMS_DUMP_DIR") : nullptr;
  const std::string path =
      std::string(dir ? dir : "/tmp") + "/gems-" + std::to_string(getuid()) + "-" + key.substr(0, 16) + ".cu";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return errno == EEXIST ? path : "(no text: " + path + " can't be written)";
  const bool ok = write(fd, unit.data(), unit.size()) == (ssize_t)unit.size();
  close(fd);
  return ok ? path : "(no text: " + path + " can't be written)";
}

std::string load_binary(OwnedKernel* k, const std::string& binary, int block, int smem) {
  const Driver& d = driver();
  CUmodule module = nullptr;
  CUfunction f = nullptr;
  if (CUresult r = d.cuModuleLoadData(&module, binary.c_str())) return std::string("cuModuleLoadData: ") + d.name(r);
  if (CUresult r = d.cuModuleGetFunction(&f, module, "gems_kernel")) return std::string("cuModuleGetFunction: ") + d.name(r);
  d.cuFuncGetAttribute(&k->registers, CU_FUNC_ATTRIBUTE_NUM_REGS, f);
  d.cuFuncGetAttribute(&k->static_smem, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, f);
  if (k->static_smem + smem > 48 * 1024)
    if (CUresult r = d.cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, smem))
      return "shared memory of " + std::to_string(smem) + " bytes: " + d.name(r);
  if (CUresult r = d.cuOccupancyMaxActiveBlocksPerMultiprocessor(&k->max_blocks_per_sm, f, block, smem))
    return std::string("cuOccupancyMaxActiveBlocksPerMultiprocessor: ") + d.name(r);
  if (k->max_blocks_per_sm < 1) return "one block of " + std::to_string(block) + " threads doesn't fit on a multiprocessor";
  k->function = f;
  return "";
}

struct Maker {
  std::string version, arch;
};
// "nvrtc-13.5-sm_90a"
std::string note_of(const Maker& m) { return "nvrtc-" + m.version + "-" + m.arch; }
bool parse(const std::string& note, Maker* m) {
  const size_t from = strlen("nvrtc-"), dash = note.find('-', from);
  if (note.rfind("nvrtc-", 0) != 0 || dash == std::string::npos) return false;
  *m = {note.substr(from, dash - from), note.substr(dash + 1)};
  return true;
}
// Does code for this architecture run on a device of capability cc? sm_90a does on 9.0 alone; PTX (compute_80) from its number on.
bool serves(const std::string& arch, int cc) {
  const size_t at = arch.find('_');
  const int n = at == std::string::npos ? 0 : atoi(arch.c_str() + at + 1);
  return arch[0] == 's' ? n == cc : n > 0 && n <= cc;
}

// The bytes of a key; false: a miss.
bool from_cache(const std::string& key, std::string* binary) {
  size_t size = 0;
  void* data = host().cache_load ? host().cache_load(key.c_str(), &size) : nullptr;
  if (data) binary->assign((const char*)data, size);
  free(data);
  return data != nullptr;
}

void store(const std::string& key, const Compiled& c, const Maker& m) {
  if (host().cache_store) host().cache_store(key.c_str(), c.binary.data(), c.binary.size());
  if (host().cache_made_by) host().cache_made_by(note_of(m).c_str());
}

}  // namespace

const char* pack_maker(int i) { return host().pack_maker ? host().pack_maker(i) : nullptr; }

std::string pack_compiler(const DeviceState& s) {
  Maker m;
  for (int i = 0; const char* note = pack_maker(i); i++)
    if (parse(note, &m) && serves(m.arch, s.cc_major * 10 + s.cc_minor)) return m.version;
  return "";
}

Compiled compile_into_cache(const Unit& u, const std::string& arch, bool* cached) {
  Compiled r;
  const auto load = [&] { return *cached = r.ok = from_cache(u.key, &r.binary); };
  if (load()) return r;
  const CompileTurn turn(u.key);
  if (!turn.mine() && load()) return r;
  r = nvrtc_compile(u.text, u.headers, u.options, arch[0] == 'c');
  if (r.ok) store(u.key, r, {nvrtc_version(nullptr), arch});
  return r;
}

std::string build(DeviceState* s, const KernelSource& src, OwnedKernel* k, bool compile, bool* missing) {
  *missing = false;
  const char* why = nullptr;
  const char* version = nvrtc_version(&why);
  const int cc = s->cc_major * 10 + s->cc_minor;
  Unit u(src);
  std::string binary;
  // An image that the driver refuses is replaced below.
  const auto cached = [&] { return from_cache(u.key, &binary) && load_binary(k, binary, src.block, src.smem).empty(); };
  if (version && (u.made_with(version, s->arch), cached())) return "";
  // Packs that another compiler made, or any where there is none here.
  for (int i = 0; const char* note = pack_maker(i); i++) {
    Maker m;
    if (!parse(note, &m) || !serves(m.arch, cc) || (version && m.version == version && m.arch == s->arch)) continue;
    u.made_with(m.version.c_str(), m.arch);
    if (cached()) return "";
  }
  if (!version) return std::string(why) + (pack_maker(0) ? ", and no pack has this kernel" : "");
  if (!compile) {
    *missing = true;
    return "neither the kernel cache nor a pack has this kernel";
  }
  u.made_with(version, s->arch);
  const CompileTurn turn(u.key);
  if (!turn.mine() && cached()) return "";
  const Compiled c = nvrtc_compile(u.text, u.headers, u.options, s->arch[0] == 'c');
  if (!c.ok)
    return "NVRTC " + std::string(version) + " (" + s->arch + "): " + first_lines(c.log, 6) +
           "\nunit: " + dump_unit(u.text, u.key);
  std::string error = load_binary(k, c.binary, src.block, src.smem);
  if (!error.empty()) return error + "\nunit: " + dump_unit(u.text, u.key);
  store(u.key, c, {version, s->arch});
  return "";
}

}  // namespace gems::cuda
