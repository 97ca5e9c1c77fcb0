/* A printer's side of the serial line, as fast as the machine it runs on: what the benchmark streams to.
 *
 * It judges numbers and checksums as Marlin does, counts and checks (CRC-32) the moves it executes, and keeps the
 * times: that is all the benchmark believes. Each port is a pseudo-terminal of its own; one loop serves all.
 *
 *     responder PORTS FIRMWARE_NAME BLOCK_FREE
 *
 * prints the path of each port, one a line. BLOCK_FREE 0: a plain `ok`; else `ok N<n> P15 B<BLOCK_FREE>`.
 * Commands on stdin, one a line (PORT -1: all of them):
 *
 *     begin PORT MOVES EAT BAUD LATENCY_US   counts from zero; EAT moves/s with a planner of 16 (0: at once),
 *                                            the wire at BAUD (0: no wire), an answer LATENCY_US late;
 *                                            says `done PORT` when it has executed MOVES
 *     lose PORT MOVE                         the ok of that move is never sent (MOVE counts from 1)
 *     garble PORT MOVE                       the ok of that move has a wrong byte
 *     busy PORT MOVE SECONDS                 that move takes so long, with `busy:` every 2 s
 *     stats PORT                             one JSON object
 *     quit
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 64
#define PLANNER 16                  /* BLOCK_BUFFER_SIZE of Marlin's 8 bit boards */
#define FIRST_MOVE_DELAY 100000000  /* ns; BLOCK_DELAY_FOR_1ST_MOVE: the planner fills before the head moves */
#define BUSY_PERIOD 2000000000LL    /* ns; DEFAULT_KEEPALIVE_INTERVAL */
#define ANSWERS 256                 /* answers waiting for their time; hosts keep at most 31 lines in flight */
#define ANSWER_BYTES 512
#define LINE_BYTES 512
#define FAULTS_MAX 16
#define MICROSECONDS 100000         /* latencies up to 0.1 s by the microsecond, longer ones as 0.1 s */

typedef struct { int64_t due; int is_ok; int size; char text[ANSWER_BYTES]; } answer;
typedef struct { char kind; int64_t move; double seconds; } fault;

typedef struct {
    int fd, number;
    char line[LINE_BYTES];
    int line_size;
    int64_t last_number;
    answer answers[ANSWERS];
    unsigned head, tail;
    fault faults[FAULTS_MAX];
    int fault_count;
    /* the model */
    double eat;
    int64_t byte_ns, latency_ns;
    int64_t rx_free, tx_free, accepted, finish[PLANNER];
    int64_t report_period, report_due;
    /* what is told */
    int64_t expected, moves, lines, resends, extra, underruns, dropped;
    uint32_t crc;
    int64_t first, last, still, gap, in_flight, window, waiting_since;
    uint32_t latencies[MICROSECONDS + 1];
    int64_t latency_count, latency_max;
} port;

static port *ports;
static int port_count, block_free, poller, timer;
static const char *firmware;
static uint32_t crc_table[256];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

static uint32_t crc32_of(uint32_t crc, const char *bytes, int size)
{
    crc = ~crc;
    for (int i = 0; i < size; i++)
        crc = crc_table[(crc ^ (unsigned char)bytes[i]) & 255] ^ (crc >> 8);
    return ~crc;
}

static void put(port *p, int64_t due, const char *text, int size, int is_ok)
{
    answer *a = &p->answers[p->tail % ANSWERS];
    if (p->tail - p->head == ANSWERS || size > ANSWER_BYTES) {
        p->dropped++;
        return;
    }
    p->tx_free = later(p->tx_free, due) + size * p->byte_ns;
    a->due = p->tx_free;
    a->is_ok = is_ok;
    a->size = size;
    memcpy(a->text, text, size);
    p->tail++;
}

static void say(port *p, int64_t due, const char *text) { put(p, due, text, strlen(text), 0); }

static void refuse(port *p, int64_t due, const char *why)
{
    char text[160];
    p->resends++;
    snprintf(text, sizeof text, "Error:%s, Last Line: %" PRId64 "\nResend: %" PRId64 "\nok\n", why, p->last_number,
             p->last_number + 1);
    put(p, due, text, strlen(text), 1);
}

static int64_t plan(port *p, int64_t at)
{
    int64_t each = (int64_t)(1e9 / p->eat);
    int64_t before = p->moves ? p->finish[(p->moves - 1) % PLANNER] : 0;
    int64_t accepted = p->moves >= PLANNER ? later(at, p->finish[p->moves % PLANNER]) : at;
    if (p->moves == 0)
        before = accepted + FIRST_MOVE_DELAY;
    else if (accepted > before) {
        p->underruns++;
        p->still += accepted - before;
    }
    p->finish[p->moves % PLANNER] = later(accepted, before) + each;
    return accepted;
}

static void run_move(port *p, const char *text, int size, int64_t arrived)
{
    if (p->moves >= p->expected) {
        p->extra++;
        return;
    }
    if (p->eat > 0)
        p->accepted = plan(p, p->accepted);
    p->crc = crc32_of(crc32_of(p->crc, text, size), "\n", 1);
    if (p->moves == 0)
        p->first = arrived;
    else
        p->gap = later(p->gap, arrived - p->last);
    p->last = arrived;
    if (++p->moves == p->expected) {
        printf("done %d\n", p->number);
        fflush(stdout);
    }
}

static void answer_m115(port *p, int64_t due)
{
    char text[ANSWER_BYTES];
    snprintf(text, sizeof text,
             "FIRMWARE_NAME:%s PROTOCOL_VERSION:1.0 MACHINE_TYPE:Benchmark EXTRUDER_COUNT:1\nCap:AUTOREPORT_TEMP:1\n"
             "Cap:EMERGENCY_PARSER:0\nCap:SDCARD:0\nCap:AUTOREPORT_SD_STATUS:0\n", firmware);
    say(p, due, text);
}

static void execute(port *p, const char *text, int size, int64_t number, int64_t arrived)
{
    char ok[96];
    char kind = 0;
    int is_move = size > 3 && !strncmp(text, "G1 ", 3);
    int64_t due;
    p->lines++;
    p->accepted = later(p->accepted, arrived);
    if (is_move) {
        int is_new = p->moves < p->expected;
        run_move(p, text, size, arrived);
        for (int i = 0; is_new && i < p->fault_count; i++)
            if (p->faults[i].move == p->moves) {
                kind = p->faults[i].kind;
                if (kind == 'b') {
                    int64_t until = p->accepted + (int64_t)(p->faults[i].seconds * 1e9);
                    while ((p->accepted += BUSY_PERIOD) < until)
                        say(p, p->accepted, "echo:busy: processing\n");
                    p->accepted = until;
                }
            }
    } else if (!strncmp(text, "M400", 4) && p->eat > 0 && p->moves)
        p->accepted = later(p->accepted, p->finish[(p->moves - 1) % PLANNER]);
    due = p->accepted + p->latency_ns;
    if (!strncmp(text, "M105", 4))
        snprintf(ok, sizeof ok, "ok T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0\n");
    else if (kind == 'g')
        snprintf(ok, sizeof ok, "o\xcb\n");
    else if (block_free && number >= 0)
        snprintf(ok, sizeof ok, "ok N%" PRId64 " P15 B%d\n", number, block_free);
    else
        snprintf(ok, sizeof ok, "ok\n");
    if (!strncmp(text, "M115", 4))
        answer_m115(p, due);
    else if (!strncmp(text, "M155", 4)) {
        const char *s = strchr(text, 'S');
        p->report_period = s ? atoi(s + 1) * 1000000000LL : 0;
        p->report_due = arrived + p->report_period;
    }
    put(p, due, ok, kind == 'l' ? 0 : (int)strlen(ok), 1);
}

/* One line as the firmware reads it. False: refused, what lies behind it in the buffer is thrown away. */
static int hear(port *p, char *line, int size, int64_t now)
{
    char *text = line, *star;
    int64_t number = -1;
    p->rx_free = later(p->rx_free, now) + (size + 1) * p->byte_ns;
    now = p->byte_ns ? p->rx_free : now;
    if (!size)
        return 1;
    p->in_flight++;
    p->window = later(p->window, p->in_flight);
    if (p->waiting_since) {
        int64_t us = (now - p->waiting_since) / 1000;
        p->latencies[us < MICROSECONDS ? us : MICROSECONDS]++;
        p->latency_count++;
        p->latency_max = later(p->latency_max, us);
        p->waiting_since = 0;
    }
    line[size] = 0;
    if (line[0] == 'N') {
        unsigned char sum = 0;
        number = strtoll(line + 1, &text, 10);
        star = strrchr(line, '*');
        for (char *c = line; star && c < star; c++)
            sum ^= (unsigned char)*c;
        while (*text == ' ')
            text++;
        if (number != p->last_number + 1 && strncmp(text, "M110", 4)) {
            refuse(p, now, "Line Number is not Last Line Number+1");
            return 0;
        }
        if (!star || atoi(star + 1) != sum) {
            refuse(p, now, star ? "checksum mismatch" : "No Checksum with line number");
            return 0;
        }
        *star = 0;
        size = star - text;
        p->last_number = number;
    }
    if (!strncmp(text, "M110", 4)) {
        const char *n = strchr(text, 'N');
        p->last_number = n ? strtoll(n + 1, NULL, 10) : number;
    }
    execute(p, text, size, number, now);
    return 1;
}

static void hear_all(port *p)
{
    char bytes[4096];
    ssize_t size = read(p->fd, bytes, sizeof bytes);
    int64_t now = now_ns();
    for (ssize_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (p->line_size < LINE_BYTES - 1)
                p->line[p->line_size++] = bytes[i];
            continue;
        }
        int is_taken = hear(p, p->line, p->line_size, now);
        p->line_size = 0;
        if (!is_taken)
            return;
    }
}

/* All answers whose time has come leave with one write, as a USB packet carries them. */
static void answer_due(port *p, int64_t now)
{
    char out[ANSWERS * 64];
    int size = 0, oks = 0;
    if (p->report_period && now >= p->report_due) {
        p->report_due = now + p->report_period;
        say(p, now, " T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0\n");
    }
    while (p->head != p->tail && p->answers[p->head % ANSWERS].due <= now) {
        answer *a = &p->answers[p->head % ANSWERS];
        if (size + a->size > (int)sizeof out)
            break;
        memcpy(out + size, a->text, a->size);
        size += a->size;
        oks += a->is_ok;
        p->head++;
    }
    p->in_flight -= oks;
    if (oks && !p->waiting_since)
        p->waiting_since = now_ns();
    if (size && write(p->fd, out, size) != size)
        p->dropped++;
}

static int64_t next_due(void)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < port_count; i++) {
        port *p = &ports[i];
        if (p->head != p->tail && p->answers[p->head % ANSWERS].due < due)
            due = p->answers[p->head % ANSWERS].due;
        if (p->report_period && p->report_due < due)
            due = p->report_due;
    }
    return due;
}

static void begin(port *p, int64_t moves, double eat, int64_t baud, int64_t latency_us)
{
    p->expected = moves;
    p->eat = eat;
    p->byte_ns = baud ? 10000000000LL / baud : 0;
    p->latency_ns = latency_us * 1000;
    p->rx_free = p->tx_free = p->accepted = 0;
    p->moves = p->lines = p->resends = p->extra = p->underruns = p->dropped = 0;
    p->crc = 0;
    p->first = p->last = p->still = p->gap = p->window = p->waiting_since = 0;
    memset(p->latencies, 0, sizeof p->latencies);
    p->latency_count = p->latency_max = 0;
    p->fault_count = 0;
}

static int64_t percentile(const port *p, double share)
{
    int64_t wanted = (int64_t)(share * p->latency_count), seen = 0;
    for (int us = 0; us <= MICROSECONDS; us++)
        if ((seen += p->latencies[us]) > wanted)
            return us;
    return 0;
}

static void tell(const port *p)
{
    printf("{\"moves\":%" PRId64 ",\"crc\":%u,\"lines\":%" PRId64 ",\"resends\":%" PRId64 ",\"extra\":%" PRId64
           ",\"dropped\":%" PRId64 ",\"seconds\":%.6f,\"underruns\":%" PRId64 ",\"still_s\":%.6f,\"gap_s\":%.6f"
           ",\"window\":%" PRId64 ",\"p50_us\":%" PRId64 ",\"p99_us\":%" PRId64 ",\"p99_9_us\":%" PRId64
           ",\"max_us\":%" PRId64 "}\n",
           p->moves, p->crc, p->lines, p->resends, p->extra, p->dropped, (p->last - p->first) / 1e9, p->underruns,
           p->still / 1e9, p->gap / 1e9, p->window, percentile(p, 0.5), percentile(p, 0.99), percentile(p, 0.999),
           p->latency_max);
    fflush(stdout);
}

static int command(char *text)
{
    char verb[16] = "";
    int which = 0;
    int64_t moves = 0, baud = 0, latency = 0;
    double amount = 0;
    sscanf(text, "%15s %d %" SCNd64 " %lf %" SCNd64 " %" SCNd64, verb, &which, &moves, &amount, &baud, &latency);
    if (!strcmp(verb, "quit"))
        return 0;
    for (int i = 0; i < port_count; i++) {
        port *p = &ports[i];
        if (which != -1 && which != i)
            continue;
        if (!strcmp(verb, "begin"))
            begin(p, moves, amount, baud, latency);
        else if (!strcmp(verb, "stats"))
            tell(p);
        else if (p->fault_count < FAULTS_MAX)
            p->faults[p->fault_count++] = (fault){verb[0], moves, amount};
    }
    return 1;
}

static int open_port(port *p, int number)
{
    struct termios raw;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    int slave;
    p->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (p->fd < 0 || grantpt(p->fd) || unlockpt(p->fd))
        return 0;
    p->number = number;
    /* Kept open: without any slave a pseudo-terminal says hang-up. */
    slave = open(ptsname(p->fd), O_RDWR | O_NOCTTY);
    if (slave < 0 || tcgetattr(slave, &raw))
        return 0;
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    puts(ptsname(p->fd));
    return epoll_ctl(poller, EPOLL_CTL_ADD, p->fd, &event) == 0;
}

int main(int count, char **words)
{
    struct epoll_event events[PORTS_MAX + 2], from_stdin = {.events = EPOLLIN, .data.u32 = PORTS_MAX},
                                              from_timer = {.events = EPOLLIN, .data.u32 = PORTS_MAX + 1};
    static char text[4096];
    size_t text_size = 0;
    if (count != 4 || (port_count = atoi(words[1])) < 1 || port_count > PORTS_MAX) {
        fputs("usage: responder PORTS FIRMWARE_NAME BLOCK_FREE\n", stderr);
        return 2;
    }
    firmware = words[2];
    block_free = atoi(words[3]);
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
        crc_table[i] = c;
    }
    setpriority(PRIO_PROCESS, 0, -20); /* the printer is another machine: it waits for nobody; refused: so be it */
    ports = calloc(port_count, sizeof *ports);
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &from_stdin);
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &from_timer);
    for (int i = 0; i < port_count; i++)
        if (!open_port(&ports[i], i)) {
            perror("pseudo-terminal");
            return 1;
        }
    fflush(stdout);
    for (int64_t armed = 0;;) {
        int64_t due = next_due();
        if (due != armed && due != INT64_MAX) {
            struct itimerspec at = {.it_value = {due / 1000000000LL, due % 1000000000LL}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        }
        armed = due;
        int ready = epoll_wait(poller, events, PORTS_MAX + 2, -1);
        for (int i = 0; i < ready; i++) {
            uint32_t which = events[i].data.u32;
            if (which < PORTS_MAX) {
                hear_all(&ports[which]);
                answer_due(&ports[which], now_ns());
            } else if (which == PORTS_MAX) {
                ssize_t size = read(0, text + text_size, sizeof text - 1 - text_size);
                char *line = text, *end;
                if (size <= 0)
                    return 0;
                text_size += size;
                text[text_size] = 0;
                for (; (end = strchr(line, '\n')); line = end + 1) {
                    *end = 0;
                    if (!command(line))
                        return 0;
                }
                text_size -= line - text;
                memmove(text, line, text_size);
            } else {
                uint64_t times;
                int64_t now = now_ns();
                if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN)
                    return 1;
                for (int k = 0; k < port_count; k++)
                    answer_due(&ports[k], now);
            }
        }
    }
}
