//! Fixed layouts, written once as a table: the table parses, writes, and names every field with its offset.

use alloc::vec::Vec;
use core::fmt::{self, Display};

use crate::error::ParseError;
use crate::reader::Reader;

/// A structure of a fixed number of bytes.
pub trait Fixed: Sized {
    /// Its size in bytes.
    const SIZE: usize;

    /// Reads it; fails only when the input ends.
    #[doc(hidden)]
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError>;

    /// Appends exactly [`Fixed::SIZE`] bytes, the ones it was read from.
    fn write(&self, out: &mut Vec<u8>);

    /// Shows each field in order; `offset` is where this value starts and `name` what it is called.
    fn visit(&self, name: &'static str, offset: usize, visitor: &mut dyn FnMut(Field<'_>));

    /// The bytes of this value.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::SIZE);
        self.write(&mut out);
        out
    }
}

/// One field of a [`Fixed`] layout.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// The field's name as Intel spells it.
    pub name: &'static str,
    /// Bytes from the start of the outermost structure.
    pub offset: usize,
    /// Its size in bytes.
    pub size: usize,
    /// Its value: hexadecimal for byte strings, decimal for numbers, names for bits.
    pub value: &'a dyn Display,
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} ({} bytes): {}", self.name, self.offset, self.size, self.value)
    }
}

macro_rules! fixed_integer {
    ($($integer:ty),*) => {$(
        impl Fixed for $integer {
            const SIZE: usize = size_of::<$integer>();

            fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
                reader.array().map(<$integer>::from_le_bytes)
            }

            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn visit(&self, name: &'static str, offset: usize, visitor: &mut dyn FnMut(Field<'_>)) {
                visitor(Field { name, offset, size: Self::SIZE, value: self });
            }
        }
    )*};
}
fixed_integer!(u8, u16, u32, u64);

/// Declares a structure by its table: offset, field, Intel's name, type. Offsets are checked at compile time.
macro_rules! layout {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident [$size:literal] {
            $( $(#[$field_meta:meta])* $offset:literal $field:ident $label:literal : $type:ty ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        $vis struct $name {
            $( $(#[$field_meta])* $vis $field: $type, )*
        }

        impl $crate::Fixed for $name {
            const SIZE: usize = $size;

            fn read(
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Result<Self, $crate::error::ParseError> {
                Ok(Self { $( $field: <$type as $crate::Fixed>::read(reader)?, )* })
            }

            fn write(&self, out: &mut alloc::vec::Vec<u8>) {
                $( $crate::Fixed::write(&self.$field, out); )*
            }

            fn visit(
                &self,
                _name: &'static str,
                offset: usize,
                visitor: &mut dyn FnMut($crate::Field<'_>),
            ) {
                $( $crate::Fixed::visit(
                    &self.$field, $label, offset.saturating_add($offset), visitor,
                ); )*
            }
        }

        #[allow(clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
        const _: () = {
            let mut at = 0;
            $(
                assert!(at == $offset, concat!("offset of ", stringify!($field)));
                at += <$type as $crate::Fixed>::SIZE;
            )*
            assert!(at == $size, concat!("size of ", stringify!($name)));
        };
    };
}
