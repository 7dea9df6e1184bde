//! The SGX enclave report of a quote: 384 bytes, the body of an SGX quote and the QE's own report in every quote.
//!
//! Source: Intel SGX DCAP quote generation library API, "sgx_report_body_t".

use crate::attributes::SgxAttributes;
use crate::bytes::{
    CpuSvn, EnclaveMeasurement, MiscSelect, ReportData, Reserved28, Reserved32, Reserved60,
    Reserved96,
};

layout! {
    /// An enclave's identity and the data it chose. Reserved bytes are kept as they came.
    pub struct EnclaveReport [384] {
        /// The raw CPUSVN.
        0 cpu_svn "CPUSVN": CpuSvn,
        /// Extra state the enclave may see in its SSA.
        16 misc_select "MISCSELECT": MiscSelect,
        /// Reserved.
        20 reserved_1 "reserved": Reserved28,
        /// Flags and XFRM.
        48 attributes "ATTRIBUTES": SgxAttributes,
        /// The enclave's measurement.
        64 mr_enclave "MRENCLAVE": EnclaveMeasurement,
        /// Reserved.
        96 reserved_2 "reserved": Reserved32,
        /// The hash of the signer's key.
        128 mr_signer "MRSIGNER": EnclaveMeasurement,
        /// Reserved.
        160 reserved_3 "reserved": Reserved96,
        /// The product id its signer gave it.
        256 isv_prod_id "ISVPRODID": u16,
        /// The security version its signer gave it.
        258 isv_svn "ISVSVN": u16,
        /// Reserved.
        260 reserved_4 "reserved": Reserved60,
        /// What the enclave chose.
        320 report_data "REPORTDATA": ReportData,
    }
}
