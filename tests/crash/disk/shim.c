/* Stands between a process and its disk: notes every change in order, lets the disk be full, or lets a read fail.
 *
 * Loaded with LD_PRELOAD; does nothing until ETDB_SHIM_MODE is in the environment and shim_begin() is called (when the
 * library is loaded, and again by a forked child). Only regular files and folders below ETDB_SHIM_ROOT are concerned.
 *
 *   ETDB_SHIM_MODE   record, full (the disk has no room), eio (a place of the disk cannot be read), kill (the process
 *                    dies by SIGKILL behind a change), stop (it stands still there, by SIGSTOP) or tear (it dies in the
 *                    middle of a long write)
 *   ETDB_SHIM_ROOT   the folder, absolute and without symbolic links
 *   ETDB_SHIM_LOG    where records go; outside of the folder
 *   ETDB_SHIM_AT     full, eio: the number of the first call that fails, from 1; 0 only counts. kill, stop, tear: of
 *                    the change, as record would note them
 *   ETDB_SHIM_FAILS  full: how many calls fail until there is room again; 0 for ever
 *   ETDB_SHIM_MATCH  eio: only files whose path holds this text
 *
 * One lock is held over each call and its record, so that the log is the order in which things happened.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define REAL(type, name, ...)                                                                                          \
    static type (*real)(__VA_ARGS__);                                                                                  \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

enum mode { OFF, RECORD, FULL, EIO_READ, KILL, STOP, TEAR };
static enum mode mode;
static char root[PATH_MAX], match[256];
static size_t root_length;
static int log_descriptor = -1;
static long first_failure, failures, counted, changes;
static ino_t bad_inode;
static off_t bad_start, bad_end;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct __attribute__((packed)) record {
    char op, failed;
    uint16_t path_length, other_length;
    uint64_t inode, offset;
    uint32_t data_length, count;
};

static void put(const void *data, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    const char *at = data;
    while (length) {
        ssize_t written = real(log_descriptor, at, length);
        if (written <= 0) abort();
        at += written;
        length -= written;
    }
}

static const char *below(const char *path) { return path[root_length] == '/' ? path + root_length + 1 : ""; }

static void note(char op, int failed, const char *path, const char *other, uint64_t inode, uint64_t offset,
                 const void *data, size_t length) {
    if (mode >= KILL) {
        if (++changes == first_failure) kill(getpid(), mode == STOP ? SIGSTOP : SIGKILL);
        return;
    }
    path = path ? below(path) : "";
    other = other ? below(other) : "";
    struct record record = {op, failed, strlen(path), strlen(other), inode, offset, length, counted};
    size_t head = sizeof record + record.path_length + record.other_length;
    char *all = malloc(head + length);
    if (!all) abort();
    memcpy(all, &record, sizeof record);
    memcpy(all + sizeof record, path, record.path_length);
    memcpy(all + sizeof record + record.path_length, other, record.other_length);
    if (length) memcpy(all + head, data, length);
    put(all, head + length);
    free(all);
}

EXPORT void shim_begin(void) {
    const char *wanted = getenv("ETDB_SHIM_MODE");
    if (!wanted) return;
    const char *folder = getenv("ETDB_SHIM_ROOT"), *log_path = getenv("ETDB_SHIM_LOG");
    const char *at = getenv("ETDB_SHIM_AT"), *fails = getenv("ETDB_SHIM_FAILS"), *part = getenv("ETDB_SHIM_MATCH");
    if (!folder || !log_path) abort();
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    snprintf(match, sizeof match, "%s", part ? part : "");
    first_failure = at ? atol(at) : 0;
    failures = fails ? atol(fails) : 0;
    counted = changes = 0;
    bad_inode = 0;
    REAL(int, "open", const char *, int, ...);
    int descriptor = real(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    log_descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 500);
    if (log_descriptor < 0) abort();
    close(descriptor);
    static const char *const names[] = {"", "record", "full", "eio", "kill", "stop", "tear"};
    for (mode = TEAR; mode > OFF && strcmp(wanted, names[mode]); mode--) {}
    if (mode == OFF) abort();
}

__attribute__((constructor)) static void begin(void) { shim_begin(); }

static int in_tree(const char *path) {
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

/* The path of a descriptor, also after its name is gone; 0 when it is not in the tree. */
static int of_descriptor(int descriptor, char *path) {
    if (mode == OFF || descriptor < 0 || descriptor == log_descriptor) return 0;
    char link_path[40];
    snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link_path, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (length > 10 && !strcmp(path + length - 10, " (deleted)")) path[length - 10] = 0;
    return in_tree(path);
}

static int of_name(int folder, const char *name, char *path) {
    if (mode == OFF || !name) return 0;
    char base[PATH_MAX];
    if (name[0] == '/') base[0] = 0;
    else if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return 0;
    } else {
        char link_path[40];
        snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link_path, base, sizeof base - 1);
        if (length < 0) return 0;
        base[length] = 0;
    }
    if (snprintf(path, PATH_MAX, base[0] ? "%s/%s" : "%s%s", base, name) >= PATH_MAX) return 0;
    return in_tree(path);
}

static uint64_t inode_of(int descriptor) {
    struct stat status;
    return fstat(descriptor, &status) ? 0 : status.st_ino;
}

/* Counts a call that needs room; whether it is to fail. */
static int no_room(void) {
    if (mode == EIO_READ) return 0;
    counted++;
    return mode == FULL && first_failure && counted >= first_failure &&
           (!failures || counted < first_failure + failures);
}

#define FAIL_FULL(op, path, other, inode)                                                                              \
    do {                                                                                                               \
        note(op, 1, path, other, inode, 0, NULL, 0);                                                                   \
        pthread_mutex_unlock(&lock);                                                                                   \
        errno = ENOSPC;                                                                                                \
        return -1;                                                                                                     \
    } while (0)

/* -- opening */

static int opened(int folder, const char *name, int flags, mode_t permissions) {
    REAL(int, "openat", int, const char *, int, ...);
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !of_name(folder, name, path)) return real(folder, name, flags, permissions);
    pthread_mutex_lock(&lock);
    struct stat status;
    int existed = !stat(path, &status);
    if (!existed && (flags & O_CREAT) && no_room()) FAIL_FULL('O', path, NULL, 0);
    int descriptor = real(folder, name, flags, permissions), error = errno;
    if (descriptor >= 0 && !existed) note('O', 0, path, NULL, inode_of(descriptor), 0, NULL, 0);
    if (descriptor >= 0 && existed && (flags & O_TRUNC)) note('T', 0, path, NULL, status.st_ino, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return descriptor;
}

#define PERMISSIONS(last)                                                                                              \
    mode_t permissions = 0;                                                                                            \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                                               \
        va_list rest;                                                                                                  \
        va_start(rest, last);                                                                                          \
        permissions = va_arg(rest, mode_t);                                                                            \
        va_end(rest);                                                                                                  \
    }
EXPORT int open(const char *name, int flags, ...) {
    PERMISSIONS(flags);
    return opened(AT_FDCWD, name, flags, permissions);
}
EXPORT int open64(const char *name, int flags, ...) {
    PERMISSIONS(flags);
    return opened(AT_FDCWD, name, flags, permissions);
}
EXPORT int openat(int folder, const char *name, int flags, ...) {
    PERMISSIONS(flags);
    return opened(folder, name, flags, permissions);
}
EXPORT int openat64(int folder, const char *name, int flags, ...) {
    PERMISSIONS(flags);
    return opened(folder, name, flags, permissions);
}
EXPORT int creat(const char *name, mode_t permissions) {
    return opened(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, permissions);
}
EXPORT int creat64(const char *name, mode_t permissions) { return creat(name, permissions); }

/* -- writing: every form becomes one write of one buffer */

static ssize_t plain_write(int descriptor, const void *data, size_t length, off_t offset) {
    if (offset < 0) {
        REAL(ssize_t, "write", int, const void *, size_t);
        return real(descriptor, data, length);
    }
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return real(descriptor, data, length, offset);
}

static ssize_t written(int descriptor, const char *path, const void *data, size_t length, off_t offset) {
    pthread_mutex_lock(&lock);
    uint64_t inode = inode_of(descriptor);
    if (length && no_room()) {
        /* Half of the disks tell it with a write that is short, and only the next one fails. */
        int is_short = counted == first_failure && counted % 2 && length > 1;
        if (!is_short) FAIL_FULL('W', path, NULL, inode);
        length /= 2;
    }
    if (mode == TEAR && changes + 1 == first_failure) {
        /* A signal can end a write between two pages of the file, not elsewhere. */
        off_t start = offset >= 0 ? offset : lseek(descriptor, 0, SEEK_CUR), end = start + length / 2;
        end -= end % 4096;
        if (end > start) plain_write(descriptor, data, end - start, offset);
        kill(getpid(), SIGKILL);
    }
    ssize_t done = plain_write(descriptor, data, length, offset);
    int error = errno;
    if (done > 0) {
        off_t start = offset >= 0 ? offset : lseek(descriptor, 0, SEEK_CUR) - done;
        note('W', 0, path, NULL, inode, start, data, done);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

static ssize_t gathered(int descriptor, const char *path, const struct iovec *parts, int count, off_t offset) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    char *data = malloc(length + 1), *at = data;
    if (!data) abort();
    for (int i = 0; i < count; i++) {
        memcpy(at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    ssize_t done = written(descriptor, path, data, length, offset);
    int error = errno;
    free(data);
    errno = error;
    return done;
}

EXPORT ssize_t write(int descriptor, const void *data, size_t length) {
    char path[PATH_MAX];
    return of_descriptor(descriptor, path) ? written(descriptor, path, data, length, -1)
                                           : plain_write(descriptor, data, length, -1);
}
EXPORT ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset) {
    char path[PATH_MAX];
    return of_descriptor(descriptor, path) ? written(descriptor, path, data, length, offset)
                                           : plain_write(descriptor, data, length, offset);
}
EXPORT ssize_t pwrite64(int descriptor, const void *data, size_t length, off_t offset) {
    return pwrite(descriptor, data, length, offset);
}
EXPORT ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    char path[PATH_MAX];
    return of_descriptor(descriptor, path) ? gathered(descriptor, path, parts, count, -1)
                                           : real(descriptor, parts, count);
}
EXPORT ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
    char path[PATH_MAX];
    return of_descriptor(descriptor, path) ? gathered(descriptor, path, parts, count, offset)
                                           : real(descriptor, parts, count, offset);
}
EXPORT ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return pwritev(descriptor, parts, count, offset);
}
EXPORT ssize_t pwritev2(int descriptor, const struct iovec *parts, int count, off_t offset, int flags) {
    REAL(ssize_t, "pwritev2", int, const struct iovec *, int, off_t, int);
    char path[PATH_MAX];
    return of_descriptor(descriptor, path) ? gathered(descriptor, path, parts, count, offset)
                                           : real(descriptor, parts, count, offset, flags);
}
EXPORT ssize_t pwritev64v2(int descriptor, const struct iovec *parts, int count, off_t offset, int flags) {
    return pwritev2(descriptor, parts, count, offset, flags);
}

/* The kernel's own copying is refused: whoever asks for it falls back to reading and writing, which is seen. */
EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
    REAL(ssize_t, "sendfile", int, int, off_t *, size_t);
    char path[PATH_MAX];
    if (!of_descriptor(out, path)) return real(out, in, offset, count);
    errno = EINVAL;
    return -1;
}
EXPORT ssize_t sendfile64(int out, int in, off_t *offset, size_t count) { return sendfile(out, in, offset, count); }
EXPORT ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t length, unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off_t *, int, off_t *, size_t, unsigned);
    char path[PATH_MAX];
    if (!of_descriptor(out, path)) return real(in, in_at, out, out_at, length, flags);
    errno = EXDEV;
    return -1;
}

/* -- lengths */

EXPORT int ftruncate(int descriptor, off_t length) {
    REAL(int, "ftruncate", int, off_t);
    char path[PATH_MAX];
    if (!of_descriptor(descriptor, path)) return real(descriptor, length);
    pthread_mutex_lock(&lock);
    int result = real(descriptor, length), error = errno;
    if (!result) note('T', 0, path, NULL, inode_of(descriptor), length, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
EXPORT int ftruncate64(int descriptor, off_t length) { return ftruncate(descriptor, length); }
EXPORT int truncate(const char *name, off_t length) {
    REAL(int, "truncate", const char *, off_t);
    char path[PATH_MAX];
    struct stat status;
    if (!of_name(AT_FDCWD, name, path)) return real(name, length);
    pthread_mutex_lock(&lock);
    int result = real(name, length), error = errno;
    if (!result && !stat(path, &status)) note('T', 0, path, NULL, status.st_ino, length, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
EXPORT int truncate64(const char *name, off_t length) { return truncate(name, length); }
EXPORT int fallocate(int descriptor, int how, off_t offset, off_t length) {
    REAL(int, "fallocate", int, int, off_t, off_t);
    char path[PATH_MAX];
    struct stat status;
    if (!of_descriptor(descriptor, path)) return real(descriptor, how, offset, length);
    pthread_mutex_lock(&lock);
    if (no_room()) FAIL_FULL('A', path, NULL, inode_of(descriptor));
    int result = real(descriptor, how, offset, length), error = errno;
    if (!result && !fstat(descriptor, &status)) note('T', 0, path, NULL, status.st_ino, status.st_size, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
EXPORT int fallocate64(int descriptor, int how, off_t offset, off_t length) {
    return fallocate(descriptor, how, offset, length);
}
EXPORT int posix_fallocate(int descriptor, off_t offset, off_t length) {
    return fallocate(descriptor, 0, offset, length) ? errno : 0;
}
EXPORT int posix_fallocate64(int descriptor, off_t offset, off_t length) {
    return posix_fallocate(descriptor, offset, length);
}

/* -- names. A change of a name that ends what it replaces needs no room; one that makes an entry may. */

static int renamed(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    char path[PATH_MAX], other[PATH_MAX];
    if (!of_name(from_folder, from, path) || !of_name(to_folder, to, other))
        return real(from_folder, from, to_folder, to, flags);
    pthread_mutex_lock(&lock);
    if (no_room()) FAIL_FULL('R', path, other, 0);
    int result = real(from_folder, from, to_folder, to, flags), error = errno;
    if (!result) note('R', 0, path, other, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
EXPORT int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }
EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renamed(from_folder, from, to_folder, to, 0);
}
EXPORT int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    return renamed(from_folder, from, to_folder, to, flags);
}
EXPORT int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    char path[PATH_MAX], other[PATH_MAX];
    if (!of_name(from_folder, from, path) || !of_name(to_folder, to, other))
        return real(from_folder, from, to_folder, to, flags);
    pthread_mutex_lock(&lock);
    if (no_room()) FAIL_FULL('L', path, other, 0);
    int result = real(from_folder, from, to_folder, to, flags), error = errno;
    if (!result) note('L', 0, path, other, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
EXPORT int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }
EXPORT int mkdirat(int folder, const char *name, mode_t permissions) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    char path[PATH_MAX];
    struct stat status;
    if (!of_name(folder, name, path)) return real(folder, name, permissions);
    pthread_mutex_lock(&lock);
    if (stat(path, &status) && no_room()) FAIL_FULL('M', path, NULL, 0);
    int result = real(folder, name, permissions), error = errno;
    if (!result) note('M', 0, path, NULL, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
EXPORT int mkdir(const char *name, mode_t permissions) { return mkdirat(AT_FDCWD, name, permissions); }
EXPORT int unlinkat(int folder, const char *name, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    char path[PATH_MAX];
    if (!of_name(folder, name, path)) return real(folder, name, flags);
    pthread_mutex_lock(&lock);
    int result = real(folder, name, flags), error = errno;
    if (!result) note(flags & AT_REMOVEDIR ? 'X' : 'U', 0, path, NULL, 0, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
EXPORT int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
EXPORT int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

/* -- what makes it last */

static int synced(int descriptor, int (*real)(int)) {
    char path[PATH_MAX];
    struct stat status;
    if (!of_descriptor(descriptor, path)) return real(descriptor);
    pthread_mutex_lock(&lock);
    int result = real(descriptor), error = errno;
    if (!result && !fstat(descriptor, &status))
        note(S_ISDIR(status.st_mode) ? 'D' : 'F', 0, path, NULL, status.st_ino, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
EXPORT int fsync(int descriptor) {
    REAL(int, "fsync", int);
    return synced(descriptor, real);
}
EXPORT int fdatasync(int descriptor) {
    REAL(int, "fdatasync", int);
    return synced(descriptor, real);
}

/* Stores through a shared mapping are not seen; what is mapped so is named in the log. */
EXPORT void *mmap(void *at, size_t length, int protection, int flags, int descriptor, off_t offset) {
    REAL(void *, "mmap", void *, size_t, int, int, int, off_t);
    char path[PATH_MAX];
    if ((flags & MAP_SHARED) && (protection & PROT_WRITE) && of_descriptor(descriptor, path)) {
        pthread_mutex_lock(&lock);
        note('P', 0, path, NULL, inode_of(descriptor), offset, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return real(at, length, protection, flags, descriptor, offset);
}
EXPORT void *mmap64(void *at, size_t length, int protection, int flags, int descriptor, off_t offset) {
    return mmap(at, length, protection, flags, descriptor, offset);
}

/* -- reading: a place that could not be read once cannot be read again */

static int unreadable(int descriptor, size_t length, off_t offset) {
    char path[PATH_MAX];
    struct stat status;
    if (mode != EIO_READ || !of_descriptor(descriptor, path) || !strstr(below(path), match)) return 0;
    if (fstat(descriptor, &status) || !S_ISREG(status.st_mode)) return 0;
    pthread_mutex_lock(&lock);
    off_t start = offset >= 0 ? offset : lseek(descriptor, 0, SEEK_CUR);
    counted++;
    if (counted == first_failure) {
        bad_inode = status.st_ino;
        bad_start = start;
        bad_end = start + (length < 512 ? (off_t)length : 512);
    }
    int fails = bad_inode == status.st_ino && start < bad_end && start + (off_t)length > bad_start;
    note('r', fails, path, NULL, status.st_ino, start, NULL, 0);
    pthread_mutex_unlock(&lock);
    if (fails) errno = EIO;
    return fails;
}

static size_t total(const struct iovec *parts, int count) {
    size_t length = 0;
    for (int i = 0; i < count; i++) length += parts[i].iov_len;
    return length;
}

EXPORT ssize_t read(int descriptor, void *data, size_t length) {
    REAL(ssize_t, "read", int, void *, size_t);
    return unreadable(descriptor, length, -1) ? -1 : real(descriptor, data, length);
}
EXPORT ssize_t pread(int descriptor, void *data, size_t length, off_t offset) {
    REAL(ssize_t, "pread", int, void *, size_t, off_t);
    return unreadable(descriptor, length, offset) ? -1 : real(descriptor, data, length, offset);
}
EXPORT ssize_t pread64(int descriptor, void *data, size_t length, off_t offset) {
    return pread(descriptor, data, length, offset);
}
EXPORT ssize_t readv(int descriptor, const struct iovec *parts, int count) {
    REAL(ssize_t, "readv", int, const struct iovec *, int);
    return unreadable(descriptor, total(parts, count), -1) ? -1 : real(descriptor, parts, count);
}
EXPORT ssize_t preadv(int descriptor, const struct iovec *parts, int count, off_t offset) {
    REAL(ssize_t, "preadv", int, const struct iovec *, int, off_t);
    return unreadable(descriptor, total(parts, count), offset) ? -1 : real(descriptor, parts, count, offset);
}
EXPORT ssize_t preadv64(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return preadv(descriptor, parts, count, offset);
}
EXPORT ssize_t preadv2(int descriptor, const struct iovec *parts, int count, off_t offset, int flags) {
    REAL(ssize_t, "preadv2", int, const struct iovec *, int, off_t, int);
    return unreadable(descriptor, total(parts, count), offset) ? -1 : real(descriptor, parts, count, offset, flags);
}
EXPORT ssize_t preadv64v2(int descriptor, const struct iovec *parts, int count, off_t offset, int flags) {
    return preadv2(descriptor, parts, count, offset, flags);
}

