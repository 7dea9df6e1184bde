/*
 * Every status that can be provoked without a TD, and which check comes first.
 *
 * usage: without_td DEVICE_STATUS, 10 where /dev/tdx_guest cannot be opened, 5 where it opens and gives no TDREPORT.
 * Says what is wrong on standard error and exits with 1.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tdx_attest.h"

_Static_assert(sizeof(tdx_attest_error_t) == 4, "statuses are 32 bits wide");
_Static_assert(TDX_ATTEST_ERROR_MIN == 1 && TDX_ATTEST_ERROR_MAX == 13, "range of errors");
_Static_assert(TDX_ATTEST_ERROR_DEVICE_FAILURE == 0x0a && TDX_ATTEST_ERROR_UNSUPPORTED_ATT_KEY_ID == 0x0c, "values");
_Static_assert(sizeof(tdx_uuid_t) == TDX_UUID_SIZE && _Alignof(tdx_uuid_t) == 1, "tdx_uuid_t");
_Static_assert(sizeof(tdx_report_data_t) == 64 && sizeof(tdx_report_t) == 1024, "report sizes");
_Static_assert(sizeof(tdx_rtmr_event_t) == 68, "tdx_rtmr_event_t without data");
_Static_assert(offsetof(tdx_rtmr_event_t, rtmr_index) == 4, "rtmr_index");
_Static_assert(offsetof(tdx_rtmr_event_t, extend_data) == 12, "extend_data");
_Static_assert(offsetof(tdx_rtmr_event_t, event_type) == 60, "event_type");
_Static_assert(offsetof(tdx_rtmr_event_t, event_data_size) == 64, "event_data_size");
_Static_assert(offsetof(tdx_rtmr_event_t, event_data) == 68, "event_data");

static int failures;

#define EXPECT(status, call)                                                                              \
    do {                                                                                                  \
        unsigned found = (unsigned)(call), expected = (unsigned)(status);                                 \
        if (found != expected) {                                                                          \
            fprintf(stderr, "line %d: %s is %u, expected %u\n", __LINE__, #call, found, expected);        \
            failures++;                                                                                   \
        }                                                                                                 \
    } while (0)

#define TRUE(condition) EXPECT(1, (condition) ? 1 : 0)

static const tdx_uuid_t KEY_ID = {TDX_SGX_ECDSA_ATTESTATION_ID};
static const tdx_report_data_t DATA = {{1, 2, 3}};

/* Outputs that must still have these values where a call does not touch them. */
static uint8_t *const UNTOUCHED = (uint8_t *)0x5a5a;
static const uint32_t SIZE = 0x5a5a;

static void quotes(unsigned device_status) {
    /* One entry more, so that a list of two is really there. */
    tdx_uuid_t list[2] = {KEY_ID, KEY_ID}, other = KEY_ID, selected;
    uint8_t *quote = UNTOUCHED;
    uint32_t size = SIZE;
    other.d[15] ^= 1;
    memset(&selected, 0x5a, sizeof selected);

    /* Arguments come before the device, and the first wrong one wins. */
    EXPECT(2, tdx_att_get_quote(&DATA, NULL, 1, &selected, &quote, &size, 0));
    EXPECT(2, tdx_att_get_quote(&DATA, list, 0, &selected, &quote, &size, 0));
    EXPECT(2, tdx_att_get_quote(&DATA, NULL, 0, &selected, NULL, &size, 0));
    EXPECT(2, tdx_att_get_quote(&DATA, NULL, 0, &selected, &quote, &size, 1));
    EXPECT(2, tdx_att_get_quote(&DATA, list, 2, &selected, &quote, &size, 0));
    EXPECT(2, tdx_att_get_quote(&DATA, list, UINT32_MAX, &selected, &quote, &size, 0));
    EXPECT(2, tdx_att_get_quote(&DATA, &other, 1, &selected, &quote, &size, 1));
    EXPECT(2, tdx_att_get_quote(&DATA, &other, 2, &selected, &quote, &size, 0));
    EXPECT(12, tdx_att_get_quote(&DATA, &other, 1, &selected, &quote, &size, 0));
    EXPECT(12, tdx_att_get_quote(NULL, &other, 1, &selected, &quote, &size, 0));
    TRUE(quote == UNTOUCHED && size == SIZE);

    /* From here on the quote is NULL, and the rest stays as it was. */
    EXPECT(device_status, tdx_att_get_quote(&DATA, NULL, 0, &selected, &quote, &size, 0));
    TRUE(quote == NULL && size == SIZE);
    quote = UNTOUCHED;
    EXPECT(device_status, tdx_att_get_quote(&DATA, list, 1, &selected, &quote, &size, 0));
    TRUE(quote == NULL && size == SIZE);
    EXPECT(device_status, tdx_att_get_quote(&DATA, NULL, 0, NULL, &quote, NULL, 0));
    /* Missing report data is noticed once the device is open. */
    EXPECT(device_status == 10 ? 10 : 2, tdx_att_get_quote(NULL, NULL, 0, &selected, &quote, &size, 0));
    TRUE(selected.d[0] == 0x5a && selected.d[15] == 0x5a);

    /* A place at an odd address will do. */
    uint8_t odd[sizeof(uint8_t *) + 1];
    memset(odd, 0x5a, sizeof odd);
    EXPECT(device_status, tdx_att_get_quote(&DATA, NULL, 0, NULL, (uint8_t **)(void *)(odd + 1), NULL, 0));
    TRUE(odd[0] == 0x5a && odd[1] == 0 && odd[sizeof odd - 1] == 0);

    EXPECT(0, tdx_att_free_quote(NULL));
    EXPECT(0, tdx_att_free_quote(malloc(16)));
}

static void reports(unsigned device_status) {
    tdx_report_t report;
    memset(&report, 0x5a, sizeof report);
    unsigned argument_status = device_status == 10 ? 10 : 2;
    EXPECT(device_status, tdx_att_get_report(&DATA, &report));
    EXPECT(argument_status, tdx_att_get_report(NULL, &report));
    EXPECT(argument_status, tdx_att_get_report(&DATA, NULL));
    EXPECT(argument_status, tdx_att_get_report(NULL, NULL));
    TRUE(report.d[0] == 0x5a && report.d[1023] == 0x5a);
}

static void extensions(void) {
    tdx_rtmr_event_t event;
    memset(&event, 0, sizeof event);
    EXPECT(2, tdx_att_extend(NULL));
    EXPECT(2, tdx_att_extend(&event));
    event.version = 2;
    event.event_data_size = 1;
    EXPECT(2, tdx_att_extend(&event));
    event.version = 1;
    event.rtmr_index = 4;
    EXPECT(7, tdx_att_extend(&event));
    event.event_data_size = UINT32_MAX;
    EXPECT(7, tdx_att_extend(&event));
    event.event_data_size = 0;
    EXPECT(2, tdx_att_extend(&event));
    /* All 64 bits count. */
    event.rtmr_index = (uint64_t)1 << 32 | 2;
    EXPECT(2, tdx_att_extend(&event));
    event.rtmr_index = UINT64_MAX;
    EXPECT(2, tdx_att_extend(&event));
}

static void key_ids(void) {
    tdx_uuid_t list[3];
    uint32_t size = 0;
    memset(list, 0x5a, sizeof list);
    EXPECT(2, tdx_att_get_supported_att_key_ids(NULL, NULL));
    EXPECT(2, tdx_att_get_supported_att_key_ids(list, NULL));
    EXPECT(2, tdx_att_get_supported_att_key_ids(list, &size));
    TRUE(size == 0 && list[0].d[0] == 0x5a);
    EXPECT(0, tdx_att_get_supported_att_key_ids(NULL, &size));
    TRUE(size == 1);
    EXPECT(2, tdx_att_get_supported_att_key_ids(NULL, &size));
    EXPECT(0, tdx_att_get_supported_att_key_ids(list, &size));
    TRUE(size == 1 && memcmp(list, &KEY_ID, sizeof KEY_ID) == 0);
    size = 3;
    EXPECT(0, tdx_att_get_supported_att_key_ids(list, &size));
    TRUE(size == 1 && list[1].d[0] == 0x5a);
    uint8_t odd[5] = {0};
    EXPECT(0, tdx_att_get_supported_att_key_ids(NULL, (uint32_t *)(void *)(odd + 1)));
    TRUE(odd[0] == 0 && (odd[1] == 1 || odd[4] == 1));
}

int main(int argc, char **argv) {
    unsigned device_status = argc == 2 ? (unsigned)atoi(argv[1]) : 0;
    if (device_status != 5 && device_status != 10) {
        fprintf(stderr, "usage: %s 5|10\n", argv[0]);
        return 2;
    }
    quotes(device_status);
    reports(device_status);
    extensions();
    key_ids();
    return failures != 0;
}
