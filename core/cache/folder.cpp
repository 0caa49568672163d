#include "core/cache/folder.h"

#include <fcntl.h>
#include <limits.h>

#include <cstring>
#include <deque>

namespace gems {
namespace {

constexpr int kMaxLinks = 40;  // as in the kernel

void split(const std::string& path, std::deque<std::string>* to) {  // in front of what is there
  std::deque<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    if (!part.empty() && part != ".") parts.push_back(part);
    at = end + 1;
  }
  to->insert(to->begin(), parts.begin(), parts.end());
}

bool trusted_owner(uid_t uid) { return uid == geteuid() || uid == 0; }  // root can change whatever we run anyway

std::string problem(const std::string& path, int error) { return path + ": " + std::strerror(error); }

}  // namespace

std::string unsafe(const struct stat& st, const std::string& path, bool sticky_is_safe) {
  if (!trusted_owner(st.st_uid))
    return path + " belongs to user " + std::to_string(st.st_uid) +
           ", who could put code there; remedy: take a folder of your own (GEMS_CACHE_DIR)";
  if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(sticky_is_safe && st.st_mode & S_ISVTX))
    return path + " is writable by others, who could put code there; remedy: chmod -R go-w " + path;
  return "";
}

Descriptor open_folder(const std::string& path, const FolderRules& rules, std::string* why) {
  *why = "";
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
  std::deque<std::string> todo;
  split(path, &todo);
  Descriptor at(open("/", kFlags));
  std::string done;
  for (int links = 0; at && !todo.empty();) {
    const std::string name = todo.front();
    todo.pop_front();
    std::string here = done;
    here.append("/").append(name);
    struct stat st;
    int rc = fstatat(at.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW);
    if (rc != 0 && errno == ENOENT) {
      if (!rules.create) return Descriptor();
      if (mkdirat(at.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
        *why = problem(here + " can't be made", errno);
        return Descriptor();
      }
      rc = fstatat(at.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW);
    }
    if (rc != 0) {
      *why = problem(here, errno);
      return Descriptor();
    }
    if (S_ISLNK(st.st_mode)) {
      char target[PATH_MAX];
      const ssize_t n = readlinkat(at.get(), name.c_str(), target, sizeof target);
      if (!rules.trusted && !trusted_owner(st.st_uid)) {
        *why = here + " is a symbolic link of user " + std::to_string(st.st_uid) +
               ", who could point it elsewhere; remedy: take a folder of your own (GEMS_CACHE_DIR)";
        return Descriptor();
      }
      if (n < 0 || n == sizeof target || ++links > kMaxLinks) {
        *why = problem(here, n < 0 ? errno : ELOOP);
        return Descriptor();
      }
      const std::string to(target, static_cast<size_t>(n));
      split(to, &todo);
      if (to[0] == '/') {
        at = Descriptor(open("/", kFlags));
        done = "";
      }
      continue;
    }
    Descriptor next(openat(at.get(), name.c_str(), kFlags));
    if (!next) {
      *why = problem(here, errno);
      return Descriptor();
    }
    at = std::move(next);
    done = std::move(here);
  }
  if (!at) *why = problem(path, errno);
  return at;
}

std::string Folder::path() const {
  std::lock_guard<std::mutex> guard(lock_);
  return in_sub_ ? base_ + "/kernels" : base_;
}

void Folder::forget() {
  std::lock_guard<std::mutex> guard(lock_);
  fd_.reset();
}

std::shared_ptr<const Descriptor> Folder::open(bool create, std::string* why) {
  *why = "";
  std::lock_guard<std::mutex> guard(lock_);
  struct stat st;
  const auto looked_at = [&](const Descriptor& fd, const std::string& path, bool sticky_is_safe) {
    if (fstat(fd.get(), &st) != 0) *why = problem(path, errno);
    else if (!trusted_) *why = unsafe(st, path, sticky_is_safe);
    return why->empty();
  };
  if (fd_) {  // still there, still ours alone?
    if (!looked_at(*fd_, in_sub_ ? base_ + "/kernels" : base_, false)) {
      fd_.reset();
      return nullptr;
    }
    if (st.st_nlink > 0) return fd_;
    fd_.reset();
  }
  const FolderRules rules{create, trusted_};
  Descriptor base = open_folder(base_, rules, why);
  if (!base || !looked_at(base, base_, true)) return nullptr;
  Descriptor sub = open_folder(base_ + "/kernels", rules, why);
  if (!why->empty()) return nullptr;
  in_sub_ = sub || sub_required_;
  if (!sub && (sub_required_ || !looked_at(base, base_, false))) return nullptr;
  if (sub && !looked_at(sub, base_ + "/kernels", false)) return nullptr;
  fd_ = std::make_shared<const Descriptor>(sub ? std::move(sub) : std::move(base));
  return fd_;
}

std::string absolute_path(const std::string& path) {
  if (path.empty() || path[0] == '/') return path;
  char cwd[PATH_MAX];
  return getcwd(cwd, sizeof cwd) ? std::string(cwd) + "/" + path : path;
}

}  // namespace gems
