// Directories that machine code may be taken from. Code from a folder that others can write to would run with our rights, so a
// directory is looked at through the descriptor that is used afterwards: what was checked is what is read, whatever its path means later.
#pragma once
#include <sys/stat.h>

#include <memory>
#include <mutex>
#include <string>

#include "core/cache/file_io.h"

namespace gems {

struct FolderRules {
  bool create = false;   // make what is missing of the path (0700)
  bool trusted = false;  // as trustworthy as this library (it came with it): owners and permission bits don't matter
};

// Why something with this owner and these bits isn't safe to use, or "". `sticky_is_safe`: for a folder whose entries we look at again.
std::string unsafe(const struct stat& st, const std::string& path, bool sticky_is_safe);

// Opens the absolute `path` component by component. A symbolic link is followed only if it is ours or
// root's. Without result: `why` is the reason, or "" where the path doesn't exist and create is off.
Descriptor open_folder(const std::string& path, const FolderRules& rules, std::string* why);

// BASE/kernels, kept open. Asked anew for each use, since it may be deleted, replaced or opened to others while we run.
class Folder {
 public:
  // `sub_required`: BASE/kernels; otherwise BASE itself where it has no "kernels".
  Folder(std::string base, bool trusted, bool sub_required)
      : base_(std::move(base)), trusted_(trusted), sub_required_(sub_required) {}
  // The open directory, or nullptr with the reason in *why ("" if it doesn't exist and `create` is off).
  std::shared_ptr<const Descriptor> open(bool create, std::string* why);
  // After ENOENT in a directory that doesn't say that it was deleted (btrfs, overlays): the next open() starts from the path.
  void forget();
  bool trusted() const { return trusted_; }
  const std::string& base() const { return base_; }
  std::string path() const;  // of the directory, for messages

 private:
  const std::string base_;
  const bool trusted_, sub_required_;
  mutable std::mutex lock_;
  bool in_sub_ = true;
  std::shared_ptr<const Descriptor> fd_;
};

// A path that doesn't depend on later changes of the working directory.
std::string absolute_path(const std::string& path);

}  // namespace gems
