/*
 * Preloaded into a process: counts the calls that change files under one folder, and at the n-th
 * does what the control page says. The page is a file mapped by the process and written by tests.
 *
 * CAIRN_FAULT_FOLDER   the folder, as a real path
 * CAIRN_FAULT_CONTROL  the page: slots of 8 bytes (below), then from byte 4096 on one label of 64
 *                      bytes for each call: its name and the file's
 * CAIRN_FAULT_SYNCED   optional: a folder that gets a copy of a file each time it was synced, named
 *                      `<file>.<n>`, and `<file>.<n>.gone` when it was unlinked: all that a power cut
 *                      after the n-th such moment would leave
 * CAIRN_FAULT_IMAGES   optional: a folder that gets, before the n-th call, a folder `<n>` with what a
 *                      SIGKILL at that moment would leave: the files of the folder, and first
 * CAIRN_FAULT_BESIDE   a file elsewhere, which the process writes from other threads
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* ONLY is the first letter of the calls that are meant, or 0 for all. */
enum { COUNT, ACTION, AT, TIMES, FIRED, SYNCS, ONLY };
/* An action above zero is the errno to fail with. */
enum { KILL_BEFORE = -1, KILL_AFTER = -2, SHORT_WRITE = -3, STOP_BEFORE = -4 };
#define LABELS 4096
#define LABEL_SIZE 64
#define MAX_LABELS 8192

static volatile long long *page;
static const char *folder;
static const char *synced;
static const char *images;
static const char *beside;
static size_t folder_length;

#define REAL(name) \
  static __typeof__(&name) real; \
  if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
  const char *control = getenv("CAIRN_FAULT_CONTROL");
  folder = getenv("CAIRN_FAULT_FOLDER");
  synced = getenv("CAIRN_FAULT_SYNCED");
  images = getenv("CAIRN_FAULT_IMAGES");
  beside = getenv("CAIRN_FAULT_BESIDE");
  if (control == NULL || folder == NULL) return;
  folder_length = strlen(folder);
  __typeof__(&open) real_open = (__typeof__(&open))dlsym(RTLD_NEXT, "open");
  int fd = real_open(control, O_RDWR);
  if (fd < 0) return;
  void *mapped = mmap(NULL, LABELS + LABEL_SIZE * MAX_LABELS, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED) page = mapped;
}

static int inside(const char *path) {
  return page != NULL && path != NULL && strncmp(path, folder, folder_length) == 0 &&
         path[folder_length] == '/';
}

static void forever(int sig) {
  kill(getpid(), sig);
  while (sig == SIGKILL) pause();
}

static void copy(const char *path, const char *target) {
  char buffer[65536];
  size_t length;
  FILE *from = fopen(path, "r"), *to = from == NULL ? NULL : fopen(target, "w");
  while (to != NULL && (length = fread(buffer, 1, sizeof buffer, from)) > 0) fwrite(buffer, 1, length, to);
  if (from != NULL) fclose(from);
  if (to != NULL) fclose(to);
}

/* The thread that changes the folder is the one that is here, so nothing changes meanwhile. */
static void take_image(long long n) {
  char from[PATH_MAX], to[PATH_MAX];
  if (images == NULL) return;
  int length = snprintf(to, sizeof to, "%s/%lld", images, n);
  mkdir(to, 0700);
  if (beside != NULL) {
    const char *name = strrchr(beside, '/');
    snprintf(to + length, sizeof to - length, "%s", name);
    copy(beside, to);
  }
  DIR *all = opendir(folder);
  for (struct dirent *each; all != NULL && (each = readdir(all)) != NULL;) {
    if (each->d_type != DT_REG) continue;
    snprintf(from, sizeof from, "%s/%s", folder, each->d_name);
    snprintf(to + length, sizeof to - length, "/%s", each->d_name);
    copy(from, to);
  }
  if (all != NULL) closedir(all);
}

/* Counts one call; returns the errno to fail with, or KILL_AFTER, SHORT_WRITE, or 0. */
static long long decide(const char *op, const char *path) {
  long long n = __atomic_add_fetch(&page[COUNT], 1, __ATOMIC_SEQ_CST);
  const char *name = strrchr(path, '/');
  if (n <= MAX_LABELS) {
    snprintf((char *)page + LABELS + (n - 1) * LABEL_SIZE, LABEL_SIZE, "%s %s", op, name ? name + 1 : path);
  }
  take_image(n);
  long long action = page[ACTION], times = page[TIMES];
  if (action == 0 || n < page[AT] || (page[ONLY] != 0 && page[ONLY] != op[0])) return 0;
  long long fired = __atomic_add_fetch(&page[FIRED], 1, __ATOMIC_SEQ_CST);
  if (times >= 0 && fired > times) return 0;
  if (action == KILL_BEFORE) forever(SIGKILL);
  if (action == STOP_BEFORE) forever(SIGSTOP);
  if (action == SHORT_WRITE && fired > 1) return ENOSPC;
  return action == STOP_BEFORE ? 0 : action;
}

static long long on_path(const char *op, const char *path) {
  return inside(path) ? decide(op, path) : 0;
}

static int path_of(int fd, char *path) {
  char link[32];
  if (page == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length <= 0) return 0;
  path[length] = '\0';
  return inside(path);
}

static long long on_fd(const char *op, int fd) {
  char path[PATH_MAX];
  return path_of(fd, path) ? decide(op, path) : 0;
}

/* Keeps what a power cut would leave of a file from now on. */
static void keep(const char *path, int gone) {
  char target[PATH_MAX];
  const char *name = strrchr(path, '/');
  if (synced == NULL || name == NULL) return;
  long long n = __atomic_add_fetch(&page[SYNCS], 1, __ATOMIC_SEQ_CST);
  snprintf(target, sizeof target, "%s%s.%lld%s", synced, name, n, gone ? ".gone" : "");
  copy(gone ? "/dev/null" : path, target);
}

#define FAIL_OR(action, value) \
  if ((action) > 0) { errno = (int)(action); return -1; } \
  if ((action) == SHORT_WRITE) { errno = ENOSPC; return -1; } \
  __typeof__(value) outcome = (value); \
  if ((action) == KILL_AFTER) forever(SIGKILL)

#define WRITES(flags) (((flags) & (O_CREAT | O_WRONLY | O_RDWR)) != 0)
#define MODE(flags) \
  mode_t mode = 0; \
  if ((flags) & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, mode_t); va_end(list); }

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    REAL(name); MODE(flags) \
    long long action = WRITES(flags) ? on_path("open", path) : 0; \
    FAIL_OR(action, real(path, flags, mode)); \
    return outcome; \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
  int name(int at, const char *path, int flags, ...) { \
    REAL(name); MODE(flags) \
    long long action = WRITES(flags) ? on_path("open", path) : 0; \
    FAIL_OR(action, real(at, path, flags, mode)); \
    return outcome; \
  }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *bytes, size_t length) {
  REAL(write);
  long long action = on_fd("write", fd);
  if (action == SHORT_WRITE && length > 1) return real(fd, bytes, length / 2);
  FAIL_OR(action, real(fd, bytes, length));
  return outcome;
}

#define PWRITE(name, offset) \
  ssize_t name(int fd, const void *bytes, size_t length, offset at) { \
    REAL(name); \
    long long action = on_fd("write", fd); \
    if (action == SHORT_WRITE && length > 1) return real(fd, bytes, length / 2, at); \
    FAIL_OR(action, real(fd, bytes, length, at)); \
    return outcome; \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
  REAL(writev);
  long long action = on_fd("write", fd);
  FAIL_OR(action, real(fd, parts, count));
  return outcome;
}

#define PWRITEV(name, offset) \
  ssize_t name(int fd, const struct iovec *parts, int count, offset at) { \
    REAL(name); \
    long long action = on_fd("write", fd); \
    FAIL_OR(action, real(fd, parts, count, at)); \
    return outcome; \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define SYNC(name) \
  int name(int fd) { \
    REAL(name); \
    char path[PATH_MAX]; \
    int ours = path_of(fd, path); \
    long long action = ours ? decide("sync", path) : 0; \
    FAIL_OR(action, real(fd)); \
    struct stat found; \
    if (ours && outcome == 0 && fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) keep(path, 0); \
    return outcome; \
  }
SYNC(fsync)
SYNC(fdatasync)

#define RESIZE(name, offset) \
  int name(int fd, offset length) { \
    REAL(name); \
    long long action = on_fd("truncate", fd); \
    FAIL_OR(action, real(fd, length)); \
    return outcome; \
  }
RESIZE(ftruncate, off_t)
RESIZE(ftruncate64, off64_t)

#define ALLOCATE(name, offset) \
  int name(int fd, int how, offset at, offset length) { \
    REAL(name); \
    long long action = on_fd("allocate", fd); \
    FAIL_OR(action, real(fd, how, at, length)); \
    return outcome; \
  }
ALLOCATE(fallocate, off_t)
ALLOCATE(fallocate64, off64_t)

int chmod(const char *path, mode_t mode) {
  REAL(chmod);
  long long action = on_path("chmod", path);
  FAIL_OR(action, real(path, mode));
  return outcome;
}

int rename(const char *from, const char *to) {
  REAL(rename);
  long long action = on_path("rename", from);
  FAIL_OR(action, real(from, to));
  return outcome;
}

int unlink(const char *path) {
  REAL(unlink);
  int ours = inside(path);
  long long action = ours ? decide("unlink", path) : 0;
  FAIL_OR(action, real(path));
  if (ours && outcome == 0) keep(path, 1);
  return outcome;
}
