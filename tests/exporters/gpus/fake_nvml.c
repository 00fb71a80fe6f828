/* A stand-in for libnvidia-ml.so.1 with the functions that the sidecar calls, for tests.
 *
 * Layouts and versions are those of NVIDIA's own bindings (pynvml.py of nvidia-ml-py 13.615), which load this library.
 * What it answers is written in a file, which is read again when it changes. A line is
 *
 *     WHO KEY ARGUMENTS...        WHO is the number of a device, or * for all of them and for the library itself
 *
 *     * devices N                 number of devices (1 without this line)
 *     * driver VERSION
 *     * reload N                  another N than at nvmlInit: the driver was reloaded, nothing is initialised
 *     0 lost                      the device is lost; until the line is gone and nvmlInit was called again
 *     0 hang CALL                 the call does not return as long as the line is there
 *     0 delay CALL MICROSECONDS   the call sleeps first
 *     0 spin CALL MICROSECONDS    the call takes so much CPU time first
 *     0 error CALL CODE           the call returns an error
 *     0 name TEXT, 0 uuid TEXT
 *     0 KEY NUMBER                power, limit, celsius, sm_clock, memory_clock, utilization, reasons, used, reserved,
 *                                 total, ecc_corrected, ecc_uncorrected, gpm
 *     0 field ID TYPE VALUE       type as nvml.h numbers it, or `error` and its code, or `rate` and its rise per second
 *     0 process PID BYTES, 0 share PID TIMESTAMP PERCENT, 0 mps PID
 *     0 metric ID VALUE           of GPM; 0 metric ID error CODE
 *     0 mig SLICES                the device is in MIG mode
 *     0 instance INDEX UUID GPU_INSTANCE COMPUTE_SLICES MEMORY_MIB NAME
 *     0 event NUMBER TYPE DATA    delivered once for each number
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned int u32;
typedef unsigned long long u64;
typedef int nvmlReturn_t;
enum { OK, UNINITIALIZED, INVALID, UNSUPPORTED, NOT_FOUND = 6, TOO_SMALL = 7, NO_DRIVER = 9, TIMEOUT = 10, LOST = 15,
       BAD_VERSION = 25 };
enum { MAX_DEVICES = 16, MAX_INSTANCES = 8, MAX_LINES = 1024, MAX_CALLS = 128 };

typedef struct device { int index; int instance; } *nvmlDevice_t;
static struct device DEVICES[MAX_DEVICES], INSTANCES[MAX_DEVICES][MAX_INSTANCES];

typedef struct { int who; char key[24]; char rest[168]; } line_t;
typedef struct { int count; line_t lines[MAX_LINES]; } script_t;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char path[4096];
static script_t *script; /* earlier ones are never freed: a thread may be reading one */
static struct timespec changed;
static u64 looked_ns;
static int initialised, generation, lost[MAX_DEVICES];
static long delivered[MAX_DEVICES];
static struct { char name[64]; long count; } calls[MAX_CALLS];

static u64 clock_ns(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static void read_script(void)
{
    u64 now = clock_ns(CLOCK_MONOTONIC);
    struct stat found;
    if (script && now - looked_ns < 2000000) return;
    looked_ns = now;
    const char *file = *path ? path : getenv("FAKE_NVML_SCRIPT");
    if (!file || stat(file, &found)) { if (!script) script = calloc(1, sizeof *script); return; }
    if (script && !memcmp(&found.st_mtim, &changed, sizeof changed)) return;
    changed = found.st_mtim;
    script_t *fresh = calloc(1, sizeof *fresh);
    FILE *open = fopen(file, "r");
    char text[256], who[16];
    while (open && fgets(text, sizeof text, open) && fresh->count < MAX_LINES) {
        line_t *line = &fresh->lines[fresh->count];
        if (sscanf(text, "%15s %23s %167[^\n]", who, line->key, line->rest) < 2 || *who == '#') continue;
        line->who = *who == '*' ? -1 : atoi(who);
        fresh->count++;
    }
    if (open) fclose(open);
    script = fresh;
}

static script_t *now_script(void)
{
    pthread_mutex_lock(&mutex);
    read_script();
    script_t *current = script;
    pthread_mutex_unlock(&mutex);
    return current;
}

/* The next line after *at of a device, or of all, with this key; its arguments. */
static const char *next(script_t *from, int *at, int who, const char *key)
{
    while (++*at < from->count) {
        line_t *line = &from->lines[*at];
        if ((line->who == who || line->who == -1) && !strcmp(line->key, key)) return line->rest;
    }
    return NULL;
}

static const char *find(int who, const char *key)
{
    int at = -1;
    return next(now_script(), &at, who, key);
}

/* A line whose first argument is `name`; the rest of its arguments. */
static const char *find_named(int who, const char *key, const char *name)
{
    script_t *from = now_script();
    size_t length = strlen(name);
    const char *rest;
    for (int at = -1; (rest = next(from, &at, who, key));)
        if (!strncmp(rest, name, length) && (rest[length] == ' ' || !rest[length])) return rest + length;
    return NULL;
}

static int number(int who, const char *key, u64 *value)
{
    const char *rest = find(who, key);
    if (!rest) return UNSUPPORTED;
    *value = strtoull(rest, NULL, 10);
    return OK;
}

static void count(const char *name)
{
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < MAX_CALLS; i++) {
        if (!*calls[i].name) snprintf(calls[i].name, sizeof calls[i].name, "%s", name);
        if (!strcmp(calls[i].name, name)) { calls[i].count++; break; }
    }
    pthread_mutex_unlock(&mutex);
}

static int scripted(int who, const char *name)
{
    const char *rest;
    count(name);
    while (find_named(who, "hang", name)) usleep(2000);
    if ((rest = find_named(who, "delay", name))) usleep(atoi(rest));
    if ((rest = find_named(who, "spin", name))) {
        u64 until = clock_ns(CLOCK_THREAD_CPUTIME_ID) + atoi(rest) * 1000ull;
        while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < until) {}
    }
    return (rest = find_named(who, "error", name)) ? atoi(rest) : OK;
}

static int reloaded(void)
{
    const char *rest = find(-2, "reload");
    return !initialised || (rest ? atoi(rest) : 0) != generation;
}

static int enter(nvmlDevice_t device, const char *name)
{
    int who = device ? device->index : -2, error = scripted(who, name);
    if (error) return error;
    if (reloaded()) return UNINITIALIZED;
    if (!device) return OK;
    if (find(who, "lost")) lost[who] = 1;
    if (lost[who]) return LOST;
    char index[12];
    snprintf(index, sizeof index, "%d", device->instance);
    return device->instance >= 0 && !find_named(who, "instance", index) ? INVALID : OK;
}

#define ENTER(device) do { int error = enter(device, __func__); if (error) return error; } while (0)
#define WHOLE(device) do { if ((device)->instance >= 0) return UNSUPPORTED; } while (0)
#define NUMBER(device, key, type, target) do { \
    u64 value; int error = number((device)->index, key, &value); \
    if (error) return error; \
    *(target) = (type)value; return OK; } while (0)

/* What tests call. */
void fake_script(const char *file)
{
    pthread_mutex_lock(&mutex);
    snprintf(path, sizeof path, "%s", file);
    memset(&changed, 0, sizeof changed);
    looked_ns = 0;
    initialised = 0;
    memset(lost, 0, sizeof lost);
    memset(delivered, 0, sizeof delivered);
    memset(calls, 0, sizeof calls);
    pthread_mutex_unlock(&mutex);
}

long fake_calls(const char *name)
{
    long found = 0;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < MAX_CALLS && *calls[i].name; i++) if (!strcmp(calls[i].name, name)) found = calls[i].count;
    pthread_mutex_unlock(&mutex);
    return found;
}

/* The library itself. */
nvmlReturn_t nvmlInitWithFlags(u32 flags)
{
    int error = scripted(-2, __func__);
    (void)flags;
    if (error) return error;
    const char *rest = find(-2, "reload");
    generation = rest ? atoi(rest) : 0;
    initialised = 1;
    memset(lost, 0, sizeof lost);
    for (int i = 0; i < MAX_DEVICES; i++) {
        DEVICES[i] = (struct device){i, -1};
        for (int j = 0; j < MAX_INSTANCES; j++) INSTANCES[i][j] = (struct device){i, j};
    }
    return OK;
}

nvmlReturn_t nvmlShutdown(void) { ENTER(NULL); initialised = 0; return OK; }

const char *nvmlErrorString(nvmlReturn_t error) { (void)error; return "an error"; }

nvmlReturn_t nvmlSystemGetDriverVersion(char *into, u32 length)
{
    ENTER(NULL);
    const char *rest = find(-2, "driver");
    snprintf(into, length, "%s", rest ? rest : "570.86.15");
    return OK;
}

static u32 devices(void)
{
    const char *rest = find(-2, "devices");
    return rest ? atoi(rest) : 1;
}

nvmlReturn_t nvmlDeviceGetCount_v2(u32 *into) { ENTER(NULL); *into = devices(); return OK; }

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(u32 index, nvmlDevice_t *into)
{
    if (index >= devices() || index >= MAX_DEVICES) return INVALID;
    ENTER(&DEVICES[index]);
    *into = &DEVICES[index];
    return OK;
}

/* A column of an instance's line: its number, UUID, GPU instance, slices, MiB, name. */
static int instance(nvmlDevice_t device, char *uuid, u32 *gpu_instance, u32 *slices, u64 *mib, char *name)
{
    char index[12], skipped[96];
    snprintf(index, sizeof index, "%d", device->instance);
    const char *rest = find_named(device->index, "instance", index);
    if (!rest) return INVALID;
    *name = 0;
    sscanf(rest, "%95s %u %u %llu %95[^\n]", uuid ? uuid : skipped, gpu_instance, slices, mib, name);
    return OK;
}

static int described(nvmlDevice_t device, const char *key, const char *standard, char *into, u32 length)
{
    char uuid[96], name[96];
    u32 gpu_instance, slices;
    u64 mib;
    if (device->instance >= 0) {
        int error = instance(device, uuid, &gpu_instance, &slices, &mib, name);
        if (!error) snprintf(into, length, "%s", *key == 'u' ? uuid : name);
        return error;
    }
    const char *rest = find(device->index, key);
    if (rest) snprintf(into, length, "%s", rest);
    else snprintf(into, length, standard, device->index);
    return OK;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *into, u32 length)
{
    ENTER(device);
    return described(device, "uuid", "GPU-fake-%d", into, length);
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *into, u32 length)
{
    ENTER(device);
    return described(device, "name", "NVIDIA H100 80GB HBM3", into, length);
}

/* Gauges. */
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t d, u32 *into) { ENTER(d); WHOLE(d); NUMBER(d, "power", u32, into); }
nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t d, u32 *into)
{
    ENTER(d); WHOLE(d); NUMBER(d, "limit", u32, into);
}
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t d, u32 sensor, u32 *into)
{
    ENTER(d); WHOLE(d);
    if (sensor) return INVALID;
    NUMBER(d, "celsius", u32, into);
}
nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t d, u32 type, u32 *into)
{
    ENTER(d); WHOLE(d); NUMBER(d, type == 1 ? "sm_clock" : type == 2 ? "memory_clock" : "no_clock", u32, into);
}
nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t d, u64 *into)
{
    ENTER(d); WHOLE(d); NUMBER(d, "reasons", u64, into);
}
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t d, u64 *into)
{
    ENTER(d); WHOLE(d); NUMBER(d, "reasons", u64, into);
}
nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t d, u32 type, u32 counter, u64 *into)
{
    ENTER(d); WHOLE(d);
    if (counter || type > 1) return INVALID; /* 0: since the driver was loaded */
    NUMBER(d, type ? "ecc_uncorrected" : "ecc_corrected", u64, into);
}
typedef struct { u32 gpu, memory; } utilization_t;
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t d, utilization_t *into)
{
    ENTER(d); WHOLE(d);
    if (find(d->index, "mig")) return UNSUPPORTED;
    into->memory = 0;
    NUMBER(d, "utilization", u32, &into->gpu);
}
nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t d, u32 counter, u32 *into)
{
    ENTER(d); (void)counter;
    usleep(20000);
    *into = 1;
    return OK;
}

/* Memory: version 1 counts what the driver reserves as used. */
typedef struct { u64 total, free, used; } memory_t;
typedef struct { u32 version; u64 total, reserved, free, used; } memory_v2_t;
static int memory(nvmlDevice_t d, u64 *total, u64 *reserved, u64 *used)
{
    char name[96];
    u32 gpu_instance, slices;
    u64 mib;
    *reserved = *used = 0;
    number(d->index, "reserved", reserved);
    if (number(d->index, "used", used)) return UNSUPPORTED;
    if (d->instance < 0) return number(d->index, "total", total);
    int error = instance(d, NULL, &gpu_instance, &slices, &mib, name);
    *total = mib << 20;
    return error;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t d, memory_t *into)
{
    u64 reserved;
    ENTER(d);
    int error = memory(d, &into->total, &reserved, &into->used);
    into->used += reserved;
    into->free = into->total - into->used;
    return error;
}
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t d, memory_v2_t *into)
{
    ENTER(d);
    if (into->version != (sizeof *into | 2 << 24)) return BAD_VERSION;
    int error = memory(d, &into->total, &into->reserved, &into->used);
    into->free = into->total - into->used - into->reserved;
    return error;
}

/* Fields. */
typedef struct {
    u32 id, scope;
    long long timestamp, latency;
    u32 type, error;
    union { double d; u32 u; u64 l; unsigned short s; } value;
} field_t;
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t d, int number_of, field_t *fields)
{
    ENTER(d);
    for (int i = 0; i < number_of; i++) {
        char id[16], type[16];
        double value;
        snprintf(id, sizeof id, "%u", fields[i].id);
        const char *rest = find_named(d->index, "field", id);
        fields[i].error = UNSUPPORTED;
        if (!rest || sscanf(rest, "%15s %lf", type, &value) != 2) continue;
        fields[i].error = OK;
        fields[i].latency = 3;
        fields[i].type = 3;
        fields[i].value.l = 0;
        const char *exact = strrchr(rest, ' ');
        if (!strcmp(type, "error")) fields[i].error = value;
        else if (!strcmp(type, "rate")) fields[i].value.l = value * clock_ns(CLOCK_MONOTONIC) / 1e9;
        else if ((fields[i].type = atoi(type)) == 0) fields[i].value.d = value;
        else if (fields[i].type == 1 || fields[i].type == 5) fields[i].value.u = strtoull(exact, NULL, 10);
        else if (fields[i].type == 6) fields[i].value.s = value;
        else fields[i].value.l = strtoull(exact, NULL, 10);
    }
    return OK;
}

/* Processes. */
typedef struct { u32 pid; u64 used; u32 gpu_instance, compute_instance; } process_t;
static int processes(nvmlDevice_t d, const char *key, u32 *number_of, process_t *into)
{
    script_t *from = now_script();
    u32 found = 0;
    const char *rest;
    for (int at = -1; (rest = next(from, &at, d->index, key)); found++) {
        if (found >= *number_of) continue;
        into[found] = (process_t){0, ~0ull, ~0u, ~0u};
        sscanf(rest, "%u %llu", &into[found].pid, &into[found].used);
    }
    int error = found > *number_of ? TOO_SMALL : OK;
    *number_of = found;
    return error;
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t d, u32 *number_of, process_t *into)
{
    ENTER(d);
    return processes(d, "process", number_of, into);
}
nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t d, u32 *number_of, process_t *into)
{
    ENTER(d);
    return processes(d, "mps", number_of, into);
}
typedef struct { u32 pid; u64 at; u32 sm, memory, encoder, decoder; } share_t;
nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t d, share_t *into, u32 *number_of, u64 since)
{
    script_t *from = now_script();
    u32 found = 0;
    const char *rest;
    ENTER(d); WHOLE(d);
    if (find(d->index, "mig")) return UNSUPPORTED;
    for (int at = -1; (rest = next(from, &at, d->index, "share"));) {
        share_t share = {0};
        sscanf(rest, "%u %llu %u", &share.pid, &share.at, &share.sm);
        if (share.at <= since) continue;
        if (into && found < *number_of) into[found] = share;
        found++;
    }
    if (!found) return NOT_FOUND;
    int error = !into || found > *number_of ? TOO_SMALL : OK;
    *number_of = found;
    return error;
}

/* MIG. */
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t d, u32 *current, u32 *pending)
{
    ENTER(d); WHOLE(d);
    *current = *pending = find(d->index, "mig") != NULL;
    return OK;
}
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t d, u32 *into) { ENTER(d); NUMBER(d, "mig", u32, into); }
nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t d, u32 index, nvmlDevice_t *into)
{
    char text[12];
    ENTER(d);
    snprintf(text, sizeof text, "%u", index);
    if (index >= MAX_INSTANCES || !find_named(d->index, "instance", text)) return NOT_FOUND;
    *into = &INSTANCES[d->index][index];
    return OK;
}
nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t d, u32 *into)
{
    char name[96];
    u32 slices;
    u64 mib;
    ENTER(d);
    return instance(d, NULL, into, &slices, &mib, name);
}
typedef struct { u32 sms, copy, decoder, encoder, jpeg, ofa, gpu_slices, compute_slices; u64 mib; } attributes_t;
nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t d, attributes_t *into)
{
    char name[96];
    u32 gpu_instance;
    ENTER(d);
    memset(into, 0, sizeof *into);
    int error = instance(d, NULL, &gpu_instance, &into->compute_slices, &into->mib, name);
    into->gpu_slices = into->compute_slices;
    return error;
}

/* GPM. */
typedef struct sample { int who, gpu_instance; u64 taken_ns; } *sample_t;
typedef struct { u32 id, error; double value; const char *text[3]; } metric_t;
typedef struct { u32 version, number_of; sample_t before, after; metric_t metrics[]; } metrics_t;
typedef struct { u32 version, supported; } support_t;
nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t d, support_t *into)
{
    ENTER(d);
    into->supported = find(d->index, "gpm") != NULL;
    return OK;
}
nvmlReturn_t nvmlGpmSampleAlloc(sample_t *into) { ENTER(NULL); *into = calloc(1, sizeof **into); return OK; }
nvmlReturn_t nvmlGpmSampleFree(sample_t sample) { ENTER(NULL); free(sample); return OK; }
static int sampled(nvmlDevice_t d, int gpu_instance, sample_t into)
{
    if (!find(d->index, "gpm")) return UNSUPPORTED;
    *into = (struct sample){d->index, gpu_instance, clock_ns(CLOCK_MONOTONIC)};
    return OK;
}
nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t d, sample_t into) { ENTER(d); return sampled(d, -1, into); }
nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t d, u32 gpu_instance, sample_t into)
{
    script_t *from = now_script();
    const char *rest;
    u32 found;
    ENTER(d);
    for (int at = -1; (rest = next(from, &at, d->index, "instance"));)
        if (sscanf(rest, "%*s %*s %u", &found) == 1 && found == gpu_instance) return sampled(d, gpu_instance, into);
    return INVALID;
}
nvmlReturn_t nvmlGpmMetricsGet(metrics_t *asked)
{
    ENTER(NULL);
    if (asked->version != 1) return BAD_VERSION;
    /* Two samples of one instance, the second one later. */
    if (asked->before->who != asked->after->who || asked->before->gpu_instance != asked->after->gpu_instance ||
        asked->before->taken_ns >= asked->after->taken_ns) return INVALID;
    for (u32 i = 0; i < asked->number_of; i++) {
        char id[16];
        snprintf(id, sizeof id, "%u", asked->metrics[i].id);
        const char *rest = find_named(asked->after->who, "metric", id);
        asked->metrics[i].error = UNSUPPORTED;
        if (rest && sscanf(rest, " error %u", &asked->metrics[i].error) != 1) {
            asked->metrics[i].error = OK;
            asked->metrics[i].value = strtod(rest, NULL);
        }
    }
    return OK;
}

/* Events. */
typedef struct { nvmlDevice_t device; u64 type, data; u32 gpu_instance, compute_instance; } event_t;
typedef struct set { u64 kinds[MAX_DEVICES]; } *set_t;
nvmlReturn_t nvmlEventSetCreate(set_t *into) { ENTER(NULL); *into = calloc(1, sizeof **into); return OK; }
nvmlReturn_t nvmlEventSetFree(set_t set) { ENTER(NULL); free(set); return OK; }
nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t d, u64 *into) { ENTER(d); *into = 0x1b; return OK; }
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t d, u64 kinds, set_t set)
{
    ENTER(d);
    set->kinds[d->index] |= kinds;
    return OK;
}
nvmlReturn_t nvmlEventSetWait_v2(set_t set, event_t *into, u32 milliseconds)
{
    u64 until = clock_ns(CLOCK_MONOTONIC) + milliseconds * 1000000ull;
    ENTER(NULL);
    do {
        script_t *from = now_script();
        const char *rest;
        if (reloaded()) return UNINITIALIZED;
        for (int who = 0; who < MAX_DEVICES; who++)
            for (int at = -1; (rest = next(from, &at, who, "event"));) {
                long number_of;
                u64 type, data;
                if (sscanf(rest, "%ld %llu %llu", &number_of, &type, &data) != 3) continue;
                if (number_of <= delivered[who] || !(set->kinds[who] & type)) continue;
                delivered[who] = number_of;
                *into = (event_t){&DEVICES[who], type, data, ~0u, ~0u};
                return OK;
            }
        usleep(1000);
    } while (clock_ns(CLOCK_MONOTONIC) < until);
    return TIMEOUT;
}

/* What tests hold against the bindings' own structs. */
unsigned long fake_size(const char *name)
{
    const struct { const char *name; unsigned long size; } sizes[] = {
        {"c_nvmlUtilization_t", sizeof(utilization_t)}, {"c_nvmlMemory_t", sizeof(memory_t)},
        {"c_nvmlMemory_v2_t", sizeof(memory_v2_t)}, {"c_nvmlFieldValue_t", sizeof(field_t)},
        {"c_nvmlProcessInfo_v3_t", sizeof(process_t)}, {"c_nvmlProcessUtilizationSample_t", sizeof(share_t)},
        {"c_nvmlDeviceAttributes", sizeof(attributes_t)}, {"c_nvmlGpmMetric_t", sizeof(metric_t)},
        {"c_nvmlGpmSupport_t", sizeof(support_t)}, {"c_nvmlEventData_t", sizeof(event_t)},
    };
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) if (!strcmp(sizes[i].name, name)) return sizes[i].size;
    return 0;
}
