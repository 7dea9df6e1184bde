//! Events of a log for people: what TCG calls their types, and what they say, as far as that is text.
//!
//! Source: TCG PC Client Platform Firmware Profile, "Event Types".

/// A text was hashed, which is the event's data.
pub(super) const EV_ACTION: u32 = 5;
/// Something that is loaded was hashed; the event's data says what, and is no part of the hash.
pub(super) const EV_IPL: u32 = 0x0d;

/// Most characters of an event's data that a table shows.
const SHOWN_CHARACTERS: usize = 48;

const NAMES: [(u32, &str); 24] = [
    (0x01, "EV_POST_CODE"),
    (0x03, "EV_NO_ACTION"),
    (0x04, "EV_SEPARATOR"),
    (EV_ACTION, "EV_ACTION"),
    (0x06, "EV_EVENT_TAG"),
    (0x07, "EV_S_CRTM_CONTENTS"),
    (0x08, "EV_S_CRTM_VERSION"),
    (0x09, "EV_CPU_MICROCODE"),
    (0x0a, "EV_PLATFORM_CONFIG_FLAGS"),
    (0x0b, "EV_TABLE_OF_DEVICES"),
    (0x0c, "EV_COMPACT_HASH"),
    (EV_IPL, "EV_IPL"),
    (0x8000_0001, "EV_EFI_VARIABLE_DRIVER_CONFIG"),
    (0x8000_0002, "EV_EFI_VARIABLE_BOOT"),
    (0x8000_0003, "EV_EFI_BOOT_SERVICES_APPLICATION"),
    (0x8000_0004, "EV_EFI_BOOT_SERVICES_DRIVER"),
    (0x8000_0006, "EV_EFI_GPT_EVENT"),
    (0x8000_0007, "EV_EFI_ACTION"),
    (0x8000_0008, "EV_EFI_PLATFORM_FIRMWARE_BLOB"),
    (0x8000_0009, "EV_EFI_HANDOFF_TABLES"),
    (0x8000_000a, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"),
    (0x8000_000b, "EV_EFI_HANDOFF_TABLES2"),
    (0x8000_000c, "EV_EFI_VARIABLE_BOOT2"),
    (0x8000_00e0, "EV_EFI_VARIABLE_AUTHORITY"),
];

/// What TCG calls a type; its number if that is not known.
pub(super) fn name(kind: u32) -> String {
    let known = NAMES.iter().find(|(number, _)| *number == kind);
    known.map_or_else(|| format!("{kind:#x}"), |(_, name)| (*name).into())
}

/// The data as text if it is that, cut where it is long; else how many bytes it has.
pub(super) fn said(data: &[u8]) -> String {
    let text = std::str::from_utf8(data.strip_suffix(b"\0").unwrap_or(data));
    match text.ok().filter(|text| text.chars().all(|c| !c.is_control())) {
        Some(text) if text.chars().count() > SHOWN_CHARACTERS => {
            text.chars().take(SHOWN_CHARACTERS).chain(['…']).collect()
        }
        Some(text) => text.into(),
        None => format!("({} bytes)", data.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_the_names_of_tcg_and_the_unknown_their_number() {
        assert_eq!(name(5), "EV_ACTION");
        assert_eq!(name(0x8000_00e0), "EV_EFI_VARIABLE_AUTHORITY");
        assert_eq!(name(0x42), "0x42");
        assert!(NAMES.is_sorted_by_key(|(number, _)| number));
    }

    #[test]
    fn data_is_shown_if_it_is_text_and_cut_if_it_is_long() {
        assert_eq!(said(b"Calling EFI Application\0"), "Calling EFI Application");
        assert_eq!(said(&[0, 1, 2]), "(3 bytes)");
        assert_eq!(said(b"\x1b[2J"), "(4 bytes)");
        assert_eq!(said(&[b'a'; 49]), format!("{}…", "a".repeat(48)));
        assert_eq!(said(b""), "");
    }
}
