//! The example in C, compiled and run: the bits of its predictions are the predictor's.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

use candle_core::Device;
use mt_bundle::{Contents, Manifest, Predictor, Value};

use crate::bundles;

const ROWS: &str = "user,age,seen,x
ann,31,1;2;3;4,0.5
18446744073709551615,-2,17,-1e-3
bob,,-1;5,
nobody,7.25,0.5;7,3
,18,a;b;17,
";

/// A compiler for C, or `None` after saying that the test skips. CI must have one.
fn compiler() -> Option<String> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let there = Command::new(&cc).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(there || std::env::var_os("CI").is_none(), "there is no C compiler {cc:?}");
    #[expect(clippy::print_stdout, reason = "a test that skips must say so")]
    if !there {
        println!("example in C: skipped, as there is no C compiler {cc:?} (CC names another)");
    }
    there.then_some(cc)
}

/// Where cargo puts the library: beside this program.
fn library() -> PathBuf {
    let program = std::env::current_exe().expect("a path");
    let folder = program.parent().expect("a folder").to_owned();
    let name = format!("{}mt_predict{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    assert!(folder.join(&name).exists(), "no {name} in {}", folder.display());
    folder
}

fn compile(cc: &str, folder: &Path) -> PathBuf {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("predict");
    let mut command = Command::new(cc);
    command
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(crate_dir.join("include"));
    command.arg(crate_dir.join("examples/predict.c")).arg("-L").arg(library());
    command.arg(format!("-Wl,-rpath,{}", library().display())).args(["-lmt_predict", "-o"]).arg(&program);
    let output = command.output().expect("a compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    program
}

/// A number as `%a` prints it.
fn hexadecimal(text: &str) -> f64 {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
    let (digits, exponent) = text.strip_prefix("0x").and_then(|text| text.split_once('p')).expect("%a");
    let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
    let whole = u64::from_str_radix(&digits.replace('.', ""), 16).expect("digits") as f64;
    sign * whole * 2f64.powi(exponent.parse::<i32>().expect("an exponent") - 4 * fraction)
}

#[test]
fn the_example_in_c_predicts_the_bits_of_the_predictor() {
    let Some(cc) = compiler() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let bundle = folder.path().join("bundle");
    bundles::write(&bundle, 1);
    std::fs::write(folder.path().join("rows.csv"), ROWS).expect("written");
    let program = compile(&cc, folder.path());
    let output =
        Command::new(program).arg(&bundle).arg(folder.path().join("rows.csv")).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).expect("UTF-8");

    let version = Contents::of(&bundle.join(Manifest::FILE)).expect("a manifest").sha256;
    let head = format!(
        "version {version}\ntask like binary 1\ntask tab multiclass 3\ntask seconds regression 1\n\
         column age number\ncolumn x number\ncolumn user value\ncolumn seen list\n"
    );
    let numbers = said.strip_prefix(&head).unwrap_or_else(|| panic!("{said}"));
    let number = |text: &str| (hexadecimal(text) as f32).to_bits();
    let found: Vec<u32> = numbers.split_whitespace().filter(|word| *word != "row").map(number).collect();

    let predictor = Predictor::load(&bundle, &Device::Cpu).expect("a bundle");
    let mut rows = predictor.rows();
    let texts = ["a", "b", "17"].map(Value::from);
    let (many, one) = ([1, 2, 3, 4].map(Value::from), [Value::from(17)]);
    let (negative, fractions) = ([-1, 5].map(Value::from), [0.5, 7.0].map(Value::from));
    rows.push([("user", "ann".into()), ("age", 31.into()), ("seen", (&many[..]).into()), ("x", 0.5.into())])
        .and_then(|()| {
            let user = ("user", u64::MAX.into());
            rows.push([user, ("age", (-2).into()), ("seen", (&one[..]).into()), ("x", (-1e-3).into())])
        })
        .and_then(|()| rows.push([("user", "bob".into()), ("seen", (&negative[..]).into())]))
        .and_then(|()| {
            let user = ("user", "nobody".into());
            rows.push([user, ("age", 7.25.into()), ("seen", (&fractions[..]).into()), ("x", 3.into())])
        })
        .and_then(|()| rows.push([("age", 18.into()), ("seen", (&texts[..]).into())]))
        .expect("good rows");
    let predictions = predictor.predict_rows(&rows).expect("predictions");
    let expected: Vec<u32> = predictions.values().iter().map(|x| x.to_bits()).collect();
    assert_eq!(expected.len(), 5 * 5);
    assert_eq!(found, expected);

    std::fs::write(folder.path().join("rows.csv"), "user,aje\nann,1\n").expect("written");
    let output = Command::new(folder.path().join("predict"))
        .arg(&bundle)
        .arg(folder.path().join("rows.csv"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("error 1: ") && said.contains("did you mean \"age\"?"), "{said}");
}
