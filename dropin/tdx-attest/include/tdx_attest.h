/*
 * tdx_attest.h: reports, quotes and run-time registers of the TDX trust domain (TD) that a program runs in.
 *
 * For programs written for Intel's libtdx_attest: same names, types and values. Link with -ltdx_attest.
 * Why a call failed is told in syslog, in a line that begins with "libtdx_attest: ".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TDATTEST_TDX_ATTEST_H
#define TDATTEST_TDX_ATTEST_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What every function returns. */
typedef enum _tdx_attest_error_t {
    TDX_ATTEST_SUCCESS = 0,
    TDX_ATTEST_ERROR_MIN = 1, /* the smallest of the errors */
    TDX_ATTEST_ERROR_UNEXPECTED = 1,
    TDX_ATTEST_ERROR_INVALID_PARAMETER = 2,
    TDX_ATTEST_ERROR_OUT_OF_MEMORY = 3,
    TDX_ATTEST_ERROR_VSOCK_FAILURE = 4,  /* /etc/tdx-attest.conf names a port, and nobody answers there */
    TDX_ATTEST_ERROR_REPORT_FAILURE = 5, /* the device gives no TDREPORT */
    TDX_ATTEST_ERROR_EXTEND_FAILURE = 6,
    TDX_ATTEST_ERROR_NOT_SUPPORTED = 7,
    TDX_ATTEST_ERROR_QUOTE_FAILURE = 8,
    TDX_ATTEST_ERROR_BUSY = 9,            /* another request of this TD is with the host, or took too long */
    TDX_ATTEST_ERROR_DEVICE_FAILURE = 10, /* /dev/tdx_guest cannot be opened: no TD, or no permission */
    TDX_ATTEST_ERROR_INVALID_RTMR_INDEX = 11,
    TDX_ATTEST_ERROR_UNSUPPORTED_ATT_KEY_ID = 12,
    TDX_ATTEST_ERROR_MAX /* above all errors */
} tdx_attest_error_t;

#define TDX_UUID_SIZE 16
#define TDX_REPORT_DATA_SIZE 64
#define TDX_REPORT_SIZE 1024

/* The one attestation key id there is, as an initialiser: ECDSA P-256, by the quoting enclave for TDs. */
#define TDX_SGX_ECDSA_ATTESTATION_ID                                                                       \
    {                                                                                                      \
        0xe8, 0x6c, 0x04, 0x6e, 0x8c, 0xc4, 0x4d, 0x95, 0x81, 0x73, 0xfc, 0x43, 0xc1, 0xfa, 0x4f, 0x3f     \
    }

#pragma pack(push, 1)

/* The id of an attestation key. */
typedef struct _tdx_uuid_t {
    uint8_t d[TDX_UUID_SIZE];
} tdx_uuid_t;

/* What the caller wants bound into a report or quote: a nonce, or a digest of more. */
typedef struct _tdx_report_data_t {
    uint8_t d[TDX_REPORT_DATA_SIZE];
} tdx_report_data_t;

/* A TDREPORT. */
typedef struct _tdx_report_t {
    uint8_t d[TDX_REPORT_SIZE];
} tdx_report_t;

/* What a register is to be extended with. */
typedef struct _tdx_rtmr_event_t {
    uint32_t version;         /* 1 */
    uint64_t rtmr_index;      /* 0 to 3; firmware and boot loader use 0 and 1 */
    uint8_t extend_data[48];  /* a SHA-384 digest */
    uint32_t event_type;      /* not looked at */
    uint32_t event_data_size; /* 0: nobody keeps a log here */
    uint8_t event_data[];
} tdx_rtmr_event_t;

#pragma pack(pop)

/*
 * Gets a quote for this report data.
 *
 * att_key_id_list, list_size: the one key id above and 1, or NULL and 0.
 * p_att_key_id: receives the key id used; may be NULL.
 * pp_quote:     receives the quote, to be freed with tdx_att_free_quote() or free(); NULL on failure.
 *               Its last bytes may be padding.
 * p_quote_size: receives its length; may be NULL; untouched on failure.
 * flags:        0.
 *
 * May take a minute, since the host makes the quote. Returns 0, 1, 2, 3, 4, 5, 7, 8, 9, 10 or 12.
 */
tdx_attest_error_t tdx_att_get_quote(const tdx_report_data_t *p_tdx_report_data, const tdx_uuid_t att_key_id_list[],
                                     uint32_t list_size, tdx_uuid_t *p_att_key_id, uint8_t **pp_quote,
                                     uint32_t *p_quote_size, uint32_t flags);

/* Frees a quote. NULL is allowed. Returns 0. */
tdx_attest_error_t tdx_att_free_quote(uint8_t *p_quote);

/* Gets a TDREPORT for this report data: only this machine can check it. Returns 0, 1, 2, 5 or 10. */
tdx_attest_error_t tdx_att_get_report(const tdx_report_data_t *p_tdx_report_data, tdx_report_t *p_tdx_report);

/* Extends a register: it becomes the SHA-384 of itself and extend_data. Returns 0, 1, 2, 6, 7, 10 or 11. */
tdx_attest_error_t tdx_att_extend(const tdx_rtmr_event_t *p_rtmr_event);

/*
 * Lists the key ids for tdx_att_get_quote(). With NULL and *p_list_size 0, only counts them; otherwise *p_list_size says
 * how many fit. Sets *p_list_size to how many there are. Returns 0, 1 or 2.
 */
tdx_attest_error_t tdx_att_get_supported_att_key_ids(tdx_uuid_t *p_att_key_id_list, uint32_t *p_list_size);

#ifdef __cplusplus
}
#endif

#endif
