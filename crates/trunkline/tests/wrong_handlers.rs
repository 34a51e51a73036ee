//! Ten wrong handlers, and what the compiler says about them. What is said is the contract; a new compiler may say it
//! in other words, then `TRYBUILD=overwrite` writes the files anew.
#![allow(missing_docs, reason = "tests")]

#[test]
fn ten_wrong_handlers_give_readable_compile_errors() {
    trybuild::TestCases::new().compile_fail("tests/wrong/*.rs");
}
