//! Prints the names of the fuzz targets, one a line.
//! They are listed by the crate `trunkline-proto`.

fn main() {
    for (name, _) in trunkline_proto::fuzz::TARGETS {
        println!("{name}");
    }
}
