// A disk that fails on demand, for one folder, put before the C library by LD_PRELOAD. See tests/it/disk_lab.rs.
//
//   DISK_FOLDER   the folder (absolute, no links in it); what lies elsewhere is left alone
//   DISK_CONTROL  a file of 4096 bytes, mapped: 64-bit words that the test sets (the first ones) and reads (COUNTS …)
//   DISK_SHADOW   a folder for what a power cut would leave; without it nothing is remembered
//
// What a power cut leaves: the shadow N of a file holds the pages that were synced; `names` ("N NAME" lines) is the folder
// as it was when it was synced itself; `files` ("INODE N") says which file is which. A page whose sync failed is never
// written to the shadow unless it is written again: Linux forgets that such a page is dirty (fsyncgate, 2018).
//
// Each file stays open here for as long as the process lives. Closing a descriptor would drop the locks that the process
// holds on the file (fcntl(2)), and an inode that is open isn't given to another file.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FULL, ROOM, SYNC_FAILS, SYNC_MS, CLOCK_S, STARTS = 8, WRITES, SYNCS, WRITES_REFUSED, SYNCS_REFUSED };
enum { WELL, NOTHING_FITS, ONLY_ROOM };
enum { PAGE = 4096, FILES = 1024, PATH = 4096 };

struct file {
    dev_t dev;
    ino_t ino;
    unsigned id;
    int real, shadow;
    unsigned char *dirty; // one for each page
    size_t pages;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int64_t *control;
static char folder[PATH], shadow[PATH - 64];
static struct stat folder_stat;
static struct file files[FILES];
static unsigned count, next_id = 1;
static struct { unsigned id; char name[256]; } names[FILES];
static unsigned named;

#define NEXT(type, name, ...)                              \
    static type (*next_##name)(__VA_ARGS__);               \
    if (!next_##name) next_##name = dlsym(RTLD_NEXT, #name)

static ssize_t real_pwrite(int fd, const void *bytes, size_t size, off_t at) {
    NEXT(ssize_t, pwrite64, int, const void *, size_t, off_t);
    return next_pwrite64(fd, bytes, size, at);
}

static int real_open(const char *path, int flags, mode_t mode) {
    NEXT(int, open64, const char *, int, ...);
    return next_open64(path, flags, mode);
}

static void die(const char *doing) {
    perror(doing);
    abort();
}

// A text file beside the shadows, replaced whole.
static void write_list(const char *name, int is_names) {
    char path[PATH], new[PATH];
    snprintf(path, sizeof path, "%s/%s", shadow, name);
    snprintf(new, sizeof new, "%s/%s.new", shadow, name);
    FILE *list = fopen(new, "w");
    if (!list) die("shim: write a list");
    if (is_names)
        for (unsigned i = 0; i < named; i++) fprintf(list, "%u %s\n", names[i].id, names[i].name);
    else
        for (unsigned i = 0; i < count; i++) fprintf(list, "%llu %u\n", (unsigned long long)files[i].ino, files[i].id);
    fclose(list);
    if (rename(new, path)) die("shim: rename a list");
}

static struct file *find(int fd, struct stat *it) {
    unsigned known = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
    if (!known || fstat(fd, it) || !S_ISREG(it->st_mode)) return NULL;
    for (unsigned i = 0; i < known; i++)
        if (files[i].ino == it->st_ino && files[i].dev == it->st_dev) return &files[i];
    return NULL;
}

static void dirty(struct file *file, off_t from, off_t to) {
    size_t last = (to + PAGE - 1) / PAGE;
    if (last > file->pages) {
        size_t pages = last * 2;
        file->dirty = realloc(file->dirty, pages);
        if (!file->dirty) die("shim: remember pages");
        memset(file->dirty + file->pages, 0, pages - file->pages);
        file->pages = pages;
    }
    for (size_t i = from / PAGE; i < last; i++) file->dirty[i] = 1;
}

// What was written since the last time reaches the disk; or is forgotten, where the disk fails.
static void settle(struct file *file, int fails) {
    char page[PAGE];
    struct stat it;
    if (fstat(file->real, &it)) die("shim: look at a file");
    for (size_t i = 0; i < file->pages; i++) {
        if (!file->dirty[i]) continue;
        file->dirty[i] = 0;
        if (fails || file->shadow < 0) continue;
        ssize_t size = pread(file->real, page, PAGE, i * PAGE);
        if (size > 0 && real_pwrite(file->shadow, page, size, i * PAGE) != size) die("shim: write a shadow");
    }
    NEXT(int, ftruncate64, int, off_t);
    if (!fails && file->shadow >= 0 && next_ftruncate64(file->shadow, it.st_size)) die("shim: cut a shadow");
}

// `id` 0: it is new to the shadows.
static struct file *add(const char *path, const struct stat *it, unsigned id) {
    if (count == FILES) die("shim: too many files");
    struct file *file = &files[count];
    *file = (struct file){ .dev = it->st_dev, .ino = it->st_ino, .id = id ? id : next_id++, .shadow = -1 };
    file->real = real_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (file->real < 0) die(path);
    if (*shadow) {
        char at[PATH];
        snprintf(at, sizeof at, "%s/%u", shadow, file->id);
        file->shadow = real_open(at, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (file->shadow < 0) die(at);
    }
    __atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
    return file;
}

static void note_name(unsigned id, const char *name) {
    if (named == FILES) die("shim: too many names");
    names[named].id = id;
    snprintf(names[named++].name, sizeof names[0].name, "%s", name);
}

// The folder as it is now is what the disk has.
static void settle_names(void) {
    DIR *all = opendir(folder);
    if (!all) return;
    named = 0;
    for (struct dirent *entry; (entry = readdir(all));) {
        struct stat it;
        if (fstatat(dirfd(all), entry->d_name, &it, AT_SYMLINK_NOFOLLOW)) continue;
        for (unsigned i = 0; i < count; i++)
            if (files[i].ino == it.st_ino && files[i].dev == it.st_dev) note_name(files[i].id, entry->d_name);
    }
    closedir(all);
    if (*shadow) write_list("names", 1);
}

// What is there before this process writes: on disk, but for what an earlier process has left in memory only.
static void take_stock(void) {
    struct { unsigned long long ino; unsigned id; } known[FILES];
    unsigned known_count = 0;
    char path[2 * PATH], line[PATH];
    snprintf(path, sizeof path, "%s/files", shadow);
    FILE *list = *shadow ? fopen(path, "r") : NULL;
    int is_first = !list;
    while (list && fgets(line, sizeof line, list)) {
        if (sscanf(line, "%llu %u", &known[known_count].ino, &known[known_count].id) != 2) continue;
        if (known[known_count].id >= next_id) next_id = known[known_count].id + 1;
        if (++known_count == FILES) die("shim: too many files");
    }
    if (list) fclose(list);
    snprintf(path, sizeof path, "%s/names", shadow);
    list = *shadow ? fopen(path, "r") : NULL;
    unsigned id;
    char name[256];
    while (list && fgets(line, sizeof line, list))
        if (sscanf(line, "%u %255[^\n]", &id, name) == 2) note_name(id, name);
    if (list) fclose(list);

    DIR *all = opendir(folder);
    for (struct dirent *entry; all && (entry = readdir(all));) {
        struct stat it;
        if (fstatat(dirfd(all), entry->d_name, &it, AT_SYMLINK_NOFOLLOW) || !S_ISREG(it.st_mode)) continue;
        id = 0;
        // An inode that was given to a new file, which is on no disk yet, comes last.
        for (unsigned i = 0; i < known_count; i++)
            if (known[i].ino == it.st_ino) id = known[i].id;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (access(path, R_OK)) continue;
        struct file *file = add(path, &it, id);
        dirty(file, 0, it.st_size);
        if (!id) {
            settle(file, 0);
            note_name(file->id, entry->d_name);
        }
    }
    if (all) closedir(all);
    if (*shadow) {
        write_list("files", 0);
        if (is_first || named) write_list("names", 1);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *dir = getenv("DISK_FOLDER"), *words = getenv("DISK_CONTROL"), *kept = getenv("DISK_SHADOW");
    if (!dir || !words) return;
    int fd = real_open(words, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) die("shim: open the control file");
    control = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED) die("shim: map the control file");
    snprintf(folder, sizeof folder, "%s", dir);
    snprintf(shadow, sizeof shadow, "%s", kept ? kept : "");
    __atomic_add_fetch(&control[STARTS], 1, __ATOMIC_SEQ_CST);
    take_stock();
}

static void counted(int word) { __atomic_add_fetch(&control[word], 1, __ATOMIC_SEQ_CST); }

// How much of a write from `at` on fits; -1: none of it.
static ssize_t fits(off_t at, size_t size, off_t end) {
    counted(WRITES);
    off_t grows = at + (off_t)size - end, room = control[ROOM];
    ssize_t fitting = size;
    if (control[FULL] == NOTHING_FITS) fitting = -1;
    if (control[FULL] == ONLY_ROOM && grows > 0) {
        off_t over = grows > room ? grows - room : 0;
        control[ROOM] = room - (grows - over);
        fitting = over >= (off_t)size ? -1 : (ssize_t)(size - over);
    }
    if (fitting < (ssize_t)size) counted(WRITES_REFUSED);
    return fitting;
}

static ssize_t write_file(int fd, const void *bytes, size_t size, off_t at, int is_at) {
    struct stat it;
    struct file *file;
    NEXT(ssize_t, write, int, const void *, size_t);
    if (!control || !size || !(file = find(fd, &it)))
        return is_at ? real_pwrite(fd, bytes, size, at) : next_write(fd, bytes, size);
    pthread_mutex_lock(&lock);
    fstat(fd, &it);
    if (!is_at) at = fcntl(fd, F_GETFL) & O_APPEND ? it.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t done = fits(at, size, it.st_size);
    int error = ENOSPC;
    if (done > 0) {
        done = is_at ? real_pwrite(fd, bytes, done, at) : next_write(fd, bytes, done);
        error = errno;
        if (done > 0) {
            dirty(file, at, at + done);
            // A hole that it leaves is new, too.
            if (at > it.st_size) dirty(file, it.st_size, at);
        }
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return done;
}

ssize_t write(int fd, const void *bytes, size_t size) { return write_file(fd, bytes, size, 0, 0); }
ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at) { return write_file(fd, bytes, size, at, 1); }
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) { return write_file(fd, bytes, size, at, 1); }

ssize_t writev(int fd, const struct iovec *parts, int number) {
    struct stat it;
    NEXT(ssize_t, writev, int, const struct iovec *, int);
    if (!control || number < 1 || !find(fd, &it)) return next_writev(fd, parts, number);
    // It may write less than it is given: the first part is enough.
    while (number > 1 && !parts->iov_len) parts++, number--;
    return write_file(fd, parts->iov_base, parts->iov_len, 0, 0);
}

static int cut(int fd, off_t size) {
    struct stat it;
    struct file *file;
    NEXT(int, ftruncate64, int, off_t);
    if (!control || !(file = find(fd, &it))) return next_ftruncate64(fd, size);
    pthread_mutex_lock(&lock);
    fstat(fd, &it);
    int failed = -1;
    // A file that is made longer so has a hole, which takes no room yet; but a disk that takes nothing doesn't either.
    if (control[FULL] == NOTHING_FITS && size > it.st_size) {
        counted(WRITES_REFUSED);
        errno = ENOSPC;
    } else {
        failed = next_ftruncate64(fd, size);
        // What it cuts off and what is written there later: the shadow must not keep the old bytes.
        if (!failed) dirty(file, size < it.st_size ? size : it.st_size, size < it.st_size ? it.st_size : size);
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off_t size) { return cut(fd, size); }

// Gives EIO where it is to, else 0. A slow disk is slow for each.
static int sync_file(int fd) {
    struct stat it;
    if (!control || fstat(fd, &it)) return 0;
    int is_folder = S_ISDIR(it.st_mode) && it.st_ino == folder_stat.st_ino && it.st_dev == folder_stat.st_dev;
    if (S_ISDIR(it.st_mode) && !is_folder) {
        // The folder may have been made only now.
        is_folder = !stat(folder, &folder_stat) && it.st_ino == folder_stat.st_ino && it.st_dev == folder_stat.st_dev;
    }
    struct file *file = is_folder ? NULL : find(fd, &it);
    if (!is_folder && !file) return 0;
    int64_t ms = control[SYNC_MS];
    if (ms > 0) nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
    pthread_mutex_lock(&lock);
    counted(SYNCS);
    int fails = control[SYNC_FAILS] != 0;
    if (control[SYNC_FAILS] > 0) control[SYNC_FAILS]--;
    if (fails) counted(SYNCS_REFUSED);
    if (file) settle(file, fails);
    else if (!fails) settle_names();
    pthread_mutex_unlock(&lock);
    return fails ? EIO : 0;
}

int fsync(int fd) {
    NEXT(int, fsync, int);
    return (errno = sync_file(fd)) ? -1 : next_fsync(fd);
}

int fdatasync(int fd) {
    NEXT(int, fdatasync, int);
    return (errno = sync_file(fd)) ? -1 : next_fdatasync(fd);
}

// A file that is opened in the folder is watched from then on.
static int open_file(int at, const char *path, int flags, mode_t mode) {
    NEXT(int, openat64, int, const char *, int, ...);
    if (!control) return next_openat64(at, path, flags, mode);
    struct stat it;
    int is_new = flags & O_CREAT && fstatat(at, path, &it, 0);
    if (is_new && control[FULL] == NOTHING_FITS && !strncmp(path, folder, strlen(folder))) {
        counted(WRITES_REFUSED);
        errno = ENOSPC;
        return -1;
    }
    int fd = next_openat64(at, path, flags, mode);
    if (fd < 0 || fstat(fd, &it) || !S_ISREG(it.st_mode)) return fd;
    char link[64], real[PATH];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, real, sizeof real - 1);
    size_t prefix = strlen(folder);
    if (size <= 0) return fd;
    real[size] = 0;
    if (strncmp(real, folder, prefix) || real[prefix] != '/' || strchr(real + prefix + 1, '/')) return fd;
    pthread_mutex_lock(&lock);
    struct file *file = find(fd, &it);
    if (!file && !access(real, R_OK)) {
        file = add(real, &it, 0);
        if (!is_new) dirty(file, 0, it.st_size);
        if (*shadow) write_list("files", 0);
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

#define MODE                                                    \
    mode_t mode = 0;                                            \
    if (flags & (O_CREAT | __O_TMPFILE)) {                      \
        va_list more;                                           \
        va_start(more, flags);                                  \
        mode = va_arg(more, mode_t);                            \
        va_end(more);                                           \
    }

int open(const char *path, int flags, ...) { MODE return open_file(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_file(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return open_file(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return open_file(at, path, flags, mode); }

// A clock that somebody has set.
int clock_gettime(clockid_t clock, struct timespec *now) {
    NEXT(int, clock_gettime, clockid_t, struct timespec *);
    int failed = next_clock_gettime(clock, now);
    if (!failed && control && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += control[CLOCK_S];
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    NEXT(int, gettimeofday, struct timeval *, void *);
    int failed = next_gettimeofday(now, zone);
    if (!failed && control) now->tv_sec += control[CLOCK_S];
    return failed;
}

time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
