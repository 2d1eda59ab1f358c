//! What the fields of a footer and of a page header are, as far as their decoder knows them. It does not look at the kind
//! that a field says to be of, so what says to be of another kind would be read as something that it is not.

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Boolean,
    Byte,
    /// An integer of any width: all are written in the same way.
    Number,
    Double,
    Binary,
    List(&'static Kind),
    Struct(Fields),
}

/// The fields of a struct that are known, with their numbers.
pub(super) type Fields = &'static [(i64, Kind)];

use Kind::{Binary, Boolean, Byte, Double, List, Number, Struct};

const NOTHING: Kind = Struct(&[]);

/// `FileMetaData`.
pub(super) const FOOTER: Fields = &[
    (1, Number),
    (2, List(&Struct(SCHEMA_ELEMENT))),
    (3, Number),
    (4, List(&Struct(ROW_GROUP))),
    (5, List(&KEY_VALUE)),
    (6, Binary),
    (7, List(&Struct(&[(1, NOTHING), (2, NOTHING)]))),
    (8, NOTHING),
    (9, Binary),
];

const KEY_VALUE: Kind = Struct(&[(1, Binary), (2, Binary)]);

const SCHEMA_ELEMENT: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Binary),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, Number),
    (9, Number),
    (10, Struct(LOGICAL_TYPE)),
];

const LOGICAL_TYPE: Fields = &[
    (1, NOTHING),
    (2, NOTHING),
    (3, NOTHING),
    (4, NOTHING),
    (5, Struct(&[(1, Number), (2, Number)])),
    (6, NOTHING),
    (7, TIME),
    (8, TIME),
    (10, Struct(&[(1, Byte), (2, Boolean)])),
    (11, NOTHING),
    (12, NOTHING),
    (13, NOTHING),
    (14, NOTHING),
    (15, NOTHING),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Binary)])),
    (18, Struct(&[(1, Binary), (2, Number)])),
];

const TIME: Kind = Struct(&[(1, Boolean), (2, Struct(&[(1, NOTHING), (2, NOTHING), (3, NOTHING)]))]);

const ROW_GROUP: Fields = &[
    (1, List(&Struct(COLUMN_CHUNK))),
    (2, Number),
    (3, Number),
    (4, List(&Struct(&[(1, Number), (2, Boolean), (3, Boolean)]))),
    (5, Number),
    (6, Number),
    (7, Number),
];

const COLUMN_CHUNK: Fields = &[
    (1, Binary),
    (2, Number),
    (3, Struct(COLUMN)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, NOTHING),
    (9, Binary),
];

/// `ColumnMetaData`.
const COLUMN: Fields = &[
    (1, Number),
    (2, List(&Number)),
    (3, List(&Binary)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (8, List(&KEY_VALUE)),
    (9, Number),
    (10, Number),
    (11, Number),
    (12, STATISTICS),
    (13, List(&Struct(&[(1, Number), (2, Number), (3, Number)]))),
    (14, Number),
    (15, Number),
    (16, Struct(&[(1, Number), (2, List(&Number)), (3, List(&Number))])),
    (17, Struct(&[(1, Struct(BOX)), (2, List(&Number))])),
];

const BOX: Fields =
    &[(1, Double), (2, Double), (3, Double), (4, Double), (5, Double), (6, Double), (7, Double), (8, Double)];

const STATISTICS: Kind =
    Struct(&[(1, Binary), (2, Binary), (3, Number), (4, Number), (5, Binary), (6, Binary), (7, Boolean), (8, Boolean)]);

/// `PageHeader`.
pub(super) const PAGE_HEADER: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (4, Number),
    (5, Struct(&[(1, Number), (2, Number), (3, Number), (4, Number), (5, STATISTICS)])),
    (6, NOTHING),
    (7, Struct(&[(1, Number), (2, Number), (3, Boolean)])),
    (
        8,
        Struct(&[
            (1, Number),
            (2, Number),
            (3, Number),
            (4, Number),
            (5, Number),
            (6, Number),
            (7, Boolean),
            (8, STATISTICS),
        ]),
    ),
];
