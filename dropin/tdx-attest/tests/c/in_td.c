/*
 * What a program in a TD does: a report, a quote, the key ids, its registers 2 and 3. Prints the status of each call, a
 * line each.
 *
 * usage: in_td [FILE], which gets the quote.
 * Never run it in a TD whose registers matter to anybody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tdx_attest.h"

/* Where Intel's formats have the report data. */
static const size_t IN_REPORT = 128, IN_V4_QUOTE = 568, IN_V5_QUOTE = 574;

static int holds(const uint8_t *bytes, size_t length, size_t at, const tdx_report_data_t *data) {
    return bytes != NULL && length >= at + sizeof data->d && memcmp(bytes + at, data->d, sizeof data->d) == 0;
}

static void extend(uint64_t index) {
    tdx_rtmr_event_t event;
    memset(&event, 0, sizeof event);
    event.version = 1;
    event.rtmr_index = index;
    memset(event.extend_data, 1, sizeof event.extend_data);
    printf("extend %u: %d\n", (unsigned)index, tdx_att_extend(&event));
}

static void key_ids(void) {
    const tdx_uuid_t ecdsa = {TDX_SGX_ECDSA_ATTESTATION_ID};
    tdx_uuid_t list[1];
    uint32_t size = 0;
    memset(list, 0, sizeof list);
    printf("count key ids: %d\n", tdx_att_get_supported_att_key_ids(NULL, &size));
    if (size == 1) {
        printf("list key ids: %d\n", tdx_att_get_supported_att_key_ids(list, &size));
        printf("known: %d\n", memcmp(list, &ecdsa, sizeof ecdsa) == 0);
    }
}

/* Whether all of it is in the file. */
static int written(const char *path, const uint8_t *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    size_t count = file == NULL ? 0 : fwrite(bytes, 1, length, file);
    return file != NULL && fclose(file) == 0 && count == length;
}

int main(int argc, char **argv) {
    tdx_report_data_t data;
    tdx_report_t report;
    tdx_uuid_t selected;
    uint8_t *quote = NULL;
    uint32_t size = 0;
    memset(&selected, 0, sizeof selected);
    for (unsigned i = 0; i < sizeof data.d; i++) {
        data.d[i] = (uint8_t)(i + 1);
    }

    tdx_attest_error_t status = tdx_att_get_report(&data, &report);
    printf("report: %d\n", status);
    if (status == TDX_ATTEST_SUCCESS) {
        printf("bound: %d\n", holds(report.d, sizeof report.d, IN_REPORT, &data));
    }

    status = tdx_att_get_quote(&data, NULL, 0, &selected, &quote, &size, 0);
    printf("quote: %d\n", status);
    if (status == TDX_ATTEST_SUCCESS) {
        const tdx_uuid_t key_id = {TDX_SGX_ECDSA_ATTESTATION_ID};
        size_t at = quote[0] == 5 ? IN_V5_QUOTE : IN_V4_QUOTE;
        printf("bound: %d\n", holds(quote, size, at, &data));
        printf("key id: %d\n", memcmp(&selected, &key_id, sizeof key_id) == 0);
        if (argc == 2) {
            printf("written: %d\n", written(argv[1], quote, size));
        }
    }
    /* Programs in the wild call free() as well. */
    free(quote);

    key_ids();
    extend(2);
    extend(3);
    return 0;
}
