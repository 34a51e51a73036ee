//! Prints the names of the fuzz targets, one a line.
//! They are listed by the crates `trunkline-proto` and `trunkline-log`.

fn main() {
    for (name, _) in trunkline_proto::fuzz::TARGETS.iter().chain(trunkline_log::fuzz::TARGETS) {
        println!("{name}");
    }
}
