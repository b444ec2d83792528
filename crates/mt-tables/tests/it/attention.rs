//! Attention over lists, of each kind: fused against composed, slopes, threads, tables that are only read; numbers of PyTorch.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarBuilder;
use mt_layers::{
    Attention, AttentionKind, Gradient, Initializer, Input, Newest, Params, Run, SelfAttention, Side, Values,
};
use mt_tables::{
    Embeddings, Field, FrozenEmbeddings, Ids, Pooling, RowOptimizer, Sequence, TableConfig, TableFormat,
    pack_tables,
};

use crate::support::{field, stir};

/// Values a row of both tables, rows, and numeric columns.
const SIZES: [(&str, usize, usize); 2] = [("item", 8, 40), ("author", 5, 11)];
const NUMBERS: usize = 3;

/// How both lists are read.
type Kinds = [AttentionKind; 2];

fn kinds() -> [Kinds; 2] {
    let block = |heads, hidden, newest| {
        AttentionKind::SelfAttention(SelfAttention { heads, hidden, longest: 12, newest })
    };
    [
        [13, 8].map(|hidden| AttentionKind::Activation { hidden }),
        [block(1, 9, Newest::Last), block(2, 20, Newest::First)],
    ]
}

/// A candidate and its author, a list of both, a list of items alone.
fn fields() -> Vec<Field> {
    vec![
        field("item", "item", Pooling::Sum),
        field("seen", "item", Pooling::Sequence),
        field("author", "author", Pooling::Sum),
        field("seen_author", "author", Pooling::Sequence),
        field("liked", "item", Pooling::Sequence),
    ]
}

/// Columns of the input: item 0, seen 8, author 16, seen_author 21, liked 26, numbers 34.
const COLUMNS: usize = 34 + NUMBERS;

fn units([first, second]: &Kinds, vb: VarBuilder) -> Result<Vec<Attention>> {
    let item = |out| Side { query: 0, out, width: 8 };
    let seen = vec![item(8), Side { query: 16, out: 21, width: 5 }];
    let init = Initializer::Xavier;
    Ok(vec![
        Attention::new(seen, first.clone(), init, vb.pp("seen"))?,
        Attention::new(vec![item(26)], second.clone(), init, vb.pp("liked"))?,
    ])
}

/// Lists of 0 to 12 values, `rows` of them.
fn offsets(rows: usize, step: usize) -> Vec<u32> {
    let mut offsets = vec![0];
    (0..rows).for_each(|b| offsets.push(offsets[b] + ((b * step) % 13) as u32));
    offsets
}

fn ids(rows: usize) -> Vec<Ids> {
    let spread = |count: usize, of: usize, step: usize| (0..count).map(|i| (i * step % of) as u32).collect();
    let list = |offsets: &Vec<u32>, of, step| Ids {
        rows: spread(offsets[rows] as usize, of, step),
        offsets: Some(offsets.clone()),
        ..Ids::default()
    };
    let (seen, liked) = (offsets(rows, 5), offsets(rows, 8));
    vec![
        Ids::single(spread(rows, 40, 7)),
        list(&seen, 40, 11),
        Ids::single(spread(rows, 11, 3)),
        list(&seen, 11, 4),
        list(&liked, 40, 17),
    ]
}

fn numbers(rows: usize) -> Tensor {
    let values = (0..rows * NUMBERS).map(|i| (i % 7) as f32 * 0.3 - 1.0).collect::<Vec<_>>();
    Tensor::from_vec(values, (rows, NUMBERS), &Device::Cpu).expect("numbers")
}

fn embeddings() -> Embeddings {
    let optimizer = RowOptimizer::Sgd {};
    let table = |(name, width, rows)| (name, TableConfig { optimizer, ..TableConfig::new(rows, width) });
    Embeddings::new(SIZES.map(table), fields(), 3).expect("good settings")
}

/// A loss in which each column counts, and none alike.
fn loss(filled: &Tensor) -> Result<Tensor> {
    let factors = (0..filled.elem_count()).map(|i| ((i * 31 % 17) as f64 - 8.0) / 9.0).collect::<Vec<_>>();
    let factors = Tensor::from_vec(factors, filled.shape(), filled.device())?.to_dtype(filled.dtype())?;
    ((filled * &factors)? + filled.sqr()?)?.sum_all()
}

/// Rows of tables that are as large as trained ones.
fn train(embeddings: &Embeddings) -> Result<()> {
    for _ in 0..2 {
        Params::new(0).backward(|run| {
            let all = embeddings.sequence(&["item"])?;
            let of = |rows: usize| Ids::single((0..rows as u32).collect());
            let single = [of(40), Ids::default(), of(11), Ids::default(), Ids::default()];
            let items = embeddings.each(&all, &single, run)?;
            let authors = embeddings.each(&embeddings.sequence(&["author"])?, &single, run)?;
            let wave = |xs: Tensor| {
                let factors = (0..xs.elem_count()).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
                (&xs * Tensor::from_vec(factors, xs.shape(), &Device::Cpu)?)?.sum_all()
            };
            wave(items)? + wave(authors)?
        })?;
        embeddings.step(|_| 0.5);
    }
    Ok(())
}

fn sequences(embeddings: &Embeddings) -> [Sequence; 2] {
    [&["seen", "seen_author"][..], &["liked"]].map(|names| embeddings.sequence(names).expect("fields"))
}

fn filled(embeddings: &Embeddings, units: &[Attention], rows: usize, run: &mut Run) -> Result<Tensor> {
    let ids = ids(rows);
    let xs = embeddings.forward(ids.clone(), Some(&Input::from(numbers(rows))), run)?;
    let list = |sequence: Sequence| {
        let (values, offsets) = (embeddings.each(&sequence, &ids, run)?, sequence.offsets(&ids)?.into());
        Ok(Values { values, offsets })
    };
    let lists = sequences(embeddings).map(list).into_iter().collect::<Result<Vec<_>>>()?;
    Attention::fill(units, &xs, &lists, run)
}

/// Values, and the gradients of parameters and tables by name.
type Outcome = (Vec<f32>, BTreeMap<String, Vec<f32>>);

fn fused(kinds: &Kinds, rows: usize) -> Result<Outcome> {
    let (embeddings, params) = (embeddings(), Params::new(1));
    train(&embeddings)?;
    let units = units(kinds, params.builder(DType::F32, &Device::Cpu))?;
    stir(&params)?;
    let mut values = Vec::new();
    params.backward(|run| {
        let filled = filled(&embeddings, &units, rows, run)?;
        values = filled.flatten_all()?.to_vec1()?;
        loss(&filled)
    })?;
    let own = |gradient: &Gradient| gradient.host.clone();
    let mut gradients: BTreeMap<String, Vec<f32>> =
        params.all().iter().map(|p| (p.name.clone(), own(&p.gradient.lock()))).collect();
    for (name, width, rows) in SIZES {
        let (found, mut all) = (embeddings.gradient(name)?, vec![0.0; rows * width]);
        for (id, row) in found.ids.iter().zip(found.values.chunks(width)) {
            all[*id as usize * width..][..width].copy_from_slice(row);
        }
        gradients.insert(name.to_owned(), all);
    }
    Ok((values, gradients))
}

/// Tables and parameters as variables.
fn variables(kinds: &Kinds, dtype: DType) -> Result<BTreeMap<String, Var>> {
    let (embeddings, params) = (embeddings(), Params::new(1));
    train(&embeddings)?;
    units(kinds, params.builder(DType::F32, &Device::Cpu))?;
    stir(&params)?;
    let mut all: Vec<(String, Tensor)> =
        params.all().into_iter().map(|p| (p.name, p.var.as_detached_tensor())).collect();
    for (f, (name, _, rows)) in [0, 2].into_iter().zip(SIZES) {
        let mut single = vec![Ids::default(); 5];
        single[f] = Ids::single((0..rows as u32).collect());
        all.push((
            name.to_owned(),
            embeddings.each(&embeddings.sequence(&[name])?, &single, &mut Run::evaluation())?,
        ));
    }
    all.into_iter().map(|(name, values)| Ok((name, Var::from_tensor(&values.to_dtype(dtype)?)?))).collect()
}

/// The same with candle's operations alone.
fn composed(kinds: &Kinds, variables: &BTreeMap<String, Var>, dtype: DType, rows: usize) -> Result<Tensor> {
    let tensors = variables.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
    let units = units(kinds, VarBuilder::from_tensors(tensors, dtype, &Device::Cpu))?;
    let ids = ids(rows);
    let of = |table: &str, f: usize| -> Result<Tensor> {
        variables[table].index_select(&Tensor::new(&ids[f].rows[..], &Device::Cpu)?, 0)
    };
    let zeros = |width| Tensor::zeros((rows, width), dtype, &Device::Cpu);
    let columns = [of("item", 0)?, zeros(8)?, of("author", 2)?, zeros(5)?, zeros(8)?];
    let xs = Tensor::cat(&columns, 1)?;
    let xs = Tensor::cat(&[xs, numbers(rows).to_dtype(dtype)?], 1)?;
    let offsets = |f: usize| Arc::from(ids[f].offsets.clone().expect("a list"));
    let seen = Tensor::cat(&[of("item", 1)?, of("author", 3)?], 1)?;
    let seen = Values { values: seen, offsets: offsets(1) };
    let liked = Values { values: of("item", 4)?, offsets: offsets(4) };
    Attention::fill(&units, &xs, &[seen, liked], &mut Run::evaluation())
}

#[test]
fn fused_and_composed_agree() -> Result<()> {
    // 300 rows are several chunks, the last one partial; the only list of one row is empty.
    let cases = kinds().into_iter().flat_map(|kinds| [1, 9, 300].map(|rows| (kinds.clone(), rows)));
    for (kinds, rows) in cases {
        let (values, gradients) = fused(&kinds, rows)?;
        let variables = variables(&kinds, DType::F32)?;
        let expected = composed(&kinds, &variables, DType::F32, rows)?;
        assert_eq!(values.len(), rows * COLUMNS);
        let own = expected.flatten_all()?.to_vec1::<f32>()?;
        approx::assert_relative_eq!(values[..], own[..], epsilon = 1e-5, max_relative = 1e-4);
        let store = loss(&expected)?.backward()?;
        for (name, var) in &variables {
            let own = match store.get(var) {
                Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>()?,
                None => vec![0.0; var.elem_count()],
            };
            let scale = own.iter().fold(1e-4f32, |m, g| m.max(g.abs()));
            for (x, y) in gradients[name].iter().zip(&own) {
                assert!((x - y).abs() < 2e-5 * scale, "{rows} rows, {name}: {x} and {y}");
            }
        }
    }
    Ok(())
}

#[test]
fn every_gradient_is_the_slope_of_the_loss() -> Result<()> {
    for kinds in kinds() {
        let variables = variables(&kinds, DType::F64)?;
        let at = || composed(&kinds, &variables, DType::F64, 6).and_then(|filled| loss(&filled));
        let gradients = at()?.backward()?;
        let step = 1e-6;
        for (name, var) in &variables {
            let found = gradients.get(var).expect("a gradient").flatten_all()?.to_vec1::<f64>()?;
            let start = var.flatten_all()?.to_vec1::<f64>()?;
            for i in (0..start.len()).step_by(3) {
                let moved = |offset: f64| -> Result<f64> {
                    let mut values = start.clone();
                    values[i] += offset;
                    var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
                    at()?.to_scalar()
                };
                let slope = (moved(step)? - moved(-step)?) / (2.0 * step);
                assert!((slope - found[i]).abs() < 1e-6, "{name}[{i}]: {} but slope {slope}", found[i]);
            }
            var.set(&Tensor::from_vec(start, var.shape(), &Device::Cpu)?)?;
        }
    }
    Ok(())
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() -> Result<()> {
    for kinds in kinds() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| fused(&kinds, 1000))
        };
        let one = run(1)?;
        for threads in [2, 3, 8] {
            assert!(run(threads)? == one, "{threads} threads");
        }
    }
    Ok(())
}

#[test]
fn tables_that_are_only_read_give_the_same_bits() -> Result<()> {
    kinds().iter().try_for_each(same_bits_when_only_read)
}

fn same_bits_when_only_read(kinds: &Kinds) -> Result<()> {
    let (embeddings, params) = (embeddings(), Params::new(1));
    train(&embeddings)?;
    units(kinds, params.builder(DType::F32, &Device::Cpu))?;
    stir(&params)?;
    let units = units(kinds, params.frozen(DType::F32, &Device::Cpu))?;
    let expected = filled(&embeddings, &units, 50, &mut Run::evaluation())?.to_vec2::<f32>()?;
    let mut tensors = embeddings.export()?;
    tensors.retain(|name, _| ["steps", "ids", "values"].iter().any(|part| name.ends_with(part)));
    let rows = SIZES.map(|(name, _, rows)| (name.to_owned(), rows));
    let packed = pack_tables(&tensors, &rows, TableFormat::F32)?;
    let bytes = safetensors::serialize(packed.iter(), None).expect("a file");
    let sizes = SIZES.map(|(name, width, rows)| (name.to_owned(), rows, width));
    let frozen = FrozenEmbeddings::new(&sizes, fields(), 3, Arc::new(bytes))?;
    let ids = ids(50);
    let xs = frozen.forward(&ids, Some(&Input::from(numbers(50))))?;
    let list = |names: &[&str]| {
        let sequence = frozen.sequence(names)?;
        Ok(Values { values: frozen.each(&sequence, &ids)?, offsets: sequence.offsets(&ids)?.into() })
    };
    let lists = [list(&["seen", "seen_author"]), list(&["liked"])].into_iter().collect::<Result<Vec<_>>>()?;
    assert_eq!(Attention::fill(&units, &xs, &lists, &mut Run::evaluation())?.to_vec2::<f32>()?, expected);
    Ok(())
}

#[test]
fn lists_that_do_not_run_in_parallel_are_refused() -> Result<()> {
    let (embeddings, mut ids) = (embeddings(), ids(20));
    let [seen, _] = sequences(&embeddings);
    assert_eq!(seen.offsets(&ids)?.len(), 21);
    ids[3].offsets = Some(offsets(20, 4));
    let error = seen.offsets(&ids).expect_err("other lengths").to_string();
    assert!(error.contains("seen_author") && error.contains("\"seen\""), "{error}");
    Ok(())
}

/// PyTorch's 64-bit numbers, rounded to six places:
///
/// ```python
/// import torch
/// wave = lambda n, k: torch.sin(torch.arange(n, dtype=torch.float64) * k + 0.3).requires_grad_()
/// B, S, H, lengths = 3, 3, 4, [2, 0, 3]
/// q, k = wave(B * S, 0.9), wave(sum(lengths) * S, 0.7)
/// w1, b1, w2, b2 = wave(4 * S * H, 0.5), wave(H, 1.1), wave(H, 1.3), wave(1, 1.0)
/// out, at = [], 0
/// for row, n in enumerate(lengths):
///     one, keys = q.view(B, S)[row].expand(n, S), k.view(-1, S)[at:at + n]
///     at += n
///     read = torch.cat([one, keys, one - keys, one * keys], 1)
///     scores = torch.relu(read @ w1.view(4 * S, H) + b1) @ w2.view(H, 1) + b2
///     out.append((torch.sigmoid(scores) / max(n, 1) ** 0.5 * keys).sum(0))
/// out = torch.stack(out)
/// (out * (torch.arange(B * S, dtype=torch.float64).view(B, S) + 1)).sum().backward()
/// for name, x in dict(out=out, q=q.grad, k=k.grad, w1=w1.grad, b1=b1.grad, w2=w2.grad, b2=b2.grad).items():
///     print(name, [round(v, 6) for v in x.flatten().tolist()])
/// ```
#[test]
fn values_and_gradients_are_those_of_pytorch() -> Result<()> {
    let wave = |n: usize, k: f64| (0..n).map(|i| (i as f64 * k + 0.3).sin()).collect::<Vec<_>>();
    let device = &Device::Cpu;
    let shaped = |(rows, columns), k| Var::from_vec(wave(rows * columns, k), (rows, columns), device);
    let flat = |n, k| Var::from_vec(wave(n, k), n, device);
    let (q, k) = (shaped((3, 3), 0.9)?, shaped((5, 3), 0.7)?);
    let named = [
        ("0.weight", shaped((12, 4), 0.5)?),
        ("0.bias", flat(4, 1.1)?),
        ("1.weight", shaped((4, 1), 1.3)?),
        ("1.bias", flat(1, 1.0)?),
    ];
    let expected: [&[f64]; 7] = [
        &[0.581_793, 0.480_460, 0.153_160, 0.0, 0.0, 0.0, 0.002_472, -0.002_599, -0.006_448],
        &[0.467_174, 1.545_983, -1.809_084, 0.0, 0.0, 0.0, 0.010_249, -0.057_355, 0.041_920],
        &[
            0.720_185, 1.655_525, 1.078_686, 0.596_977, 1.172_906, 1.956_787, 2.317_154, 2.648_176,
            2.979_199, 2.317_154, 2.648_176, 2.979_199, 2.335_283, 2.682_738, 3.042_481,
        ],
        &[
            0.066_337, 0.163_579, -0.005_524, 0.0, 0.142_358, 0.515_911, -0.017_423, 0.0, 0.110_645,
            0.477_812, -0.016_136, 0.0, 0.017_948, 0.133_906, -0.012_626, 0.0, 0.155_366, 0.528_250,
            -0.000_777, 0.0, 0.219_714, 0.674_149, 0.011_437, 0.0, 0.048_389, 0.029_673, 0.007_102, 0.0,
            -0.013_009, -0.012_338, -0.016_645, 0.0, -0.109_069, -0.196_337, -0.027_573, 0.0, 0.023_617,
            0.039_572, -0.003_731, 0.0, 0.145_309, 0.492_349, -0.000_724, 0.0, 0.191_185, 0.581_932,
            0.009_873, 0.0,
        ],
        &[0.131_007, 0.553_530, -0.018_693, 0.0],
        &[0.487_299, 0.279_347, -0.033_364, 0.0],
        &[0.529_921],
    ];
    let factors = (0..9).map(|i| f64::from(i) + 1.0).collect::<Vec<_>>();
    let factors = Tensor::from_vec(factors, (3, 3), device)?;
    let pooled = |vb: VarBuilder, q: &Tensor, k: &Tensor, run: &mut Run| {
        let (side, kind) = (Side { query: 0, out: 3, width: 3 }, AttentionKind::Activation { hidden: 4 });
        let unit = Attention::new(vec![side], kind, Initializer::Xavier, vb)?;
        let xs = Tensor::cat(&[q, &q.zeros_like()?], 1)?;
        let lists = [Values { values: k.clone(), offsets: Arc::from([0, 2, 2, 5]) }];
        Attention::fill(&[unit], &xs, &lists, run)?.narrow(1, 3, 3)
    };
    let tensors = named.iter().map(|(name, var)| ((*name).to_owned(), var.as_tensor().clone())).collect();
    let vb = VarBuilder::from_tensors(tensors, DType::F64, device);
    let out = pooled(vb, &q, &k, &mut Run::evaluation())?;
    let store = (&out * &factors)?.sum_all()?.backward()?;
    let vars = [&q, &k].into_iter().chain(named.iter().map(|(_, var)| var));
    let mut found = vec![out.flatten_all()?.to_vec1::<f64>()?];
    for var in vars {
        found.push(store.get(var).expect("a gradient").flatten_all()?.to_vec1()?);
    }
    for (found, expected) in found.iter().zip(expected) {
        approx::assert_relative_eq!(found[..], *expected, epsilon = 1e-6);
    }

    // The fused operation, in single precision.
    let params = Params::new(1);
    let single = |tensor: &Tensor| tensor.detach().to_dtype(DType::F32);
    let vb = params.builder(DType::F32, device);
    let (side, kind) = (Side { query: 0, out: 3, width: 3 }, AttentionKind::Activation { hidden: 4 });
    Attention::new(vec![side], kind, Initializer::Xavier, vb.clone())?;
    for (param, (_, var)) in params.all().iter().zip([1, 0, 3, 2].map(|i| &named[i])) {
        param.var.set(&single(var)?)?;
    }
    let (q, k, factors) = (single(&q)?, single(&k)?, single(&factors)?);
    params.backward(|run| (pooled(vb, &q, &k, run)? * factors)?.sum_all())?;
    for (param, expected) in params.all().iter().zip([4, 3, 6, 5].map(|i| expected[i])) {
        let found: Vec<f64> = param.gradient.lock().host.iter().map(|g| f64::from(*g)).collect();
        approx::assert_relative_eq!(found[..], *expected, epsilon = 1e-5);
    }
    Ok(())
}
