# What ONNX Runtime says of the rows of each folder, beside scores.csv.
import csv, json, sys
import numpy as np, onnxruntime

worst, wrong = 0.0, []
for folder in sys.argv[1:]:
    rows, scores = ([*csv.DictReader(open(f"{folder}/{name}.csv"))] for name in ("rows", "scores"))
    session = onnxruntime.InferenceSession(folder + "/onnx/model.onnx", providers=["CPUExecutionProvider"])
    described = json.load(open(folder + "/onnx/encoders.json"))
    encoders = {table["name"]: table["encoder"] for table in described["encoders"]["tables"]}
    def row(table, text):
        encoder = encoders[table]
        if text == "":
            return 1
        if "vocabulary" in encoder:
            known = encoder["vocabulary"]
            return 2 + known.index(text) if text in known else 0
        return 2 + sum(np.float64(text) >= edge for edge in encoder["buckets"])
    inputs = {}
    fields = {field["name"]: field for field in described.get("fields", [])}
    for i in session.get_inputs():
        if i.name == "numeric":
            columns = json.loads(session.get_modelmeta().custom_metadata_map["numeric"])
            cells = [[float(r[c]) if r[c] else np.nan for c in columns] for r in rows]
            inputs[i.name] = np.array(cells, dtype=np.float64 if "double" in i.type else np.float32)
            continue
        field = fields[i.name]
        texts = [r[field["column"]] for r in rows]
        if len(i.shape) == 1:
            inputs[i.name] = np.array([row(field["table"], text) for text in texts], dtype=np.int64)
            continue
        lists = [[row(field["table"], value) for value in text.split("|")] if text else [] for text in texts]
        keep = field["list"].get("keep", {})
        lists = [values[-keep.get("last", 0) :][: keep.get("first")] for values in lists]
        longest = max(1, max(map(len, lists)))
        inputs[i.name] = np.array([values + [-1] * (longest - len(values)) for values in lists], dtype=np.int64)
    names = [o.name for o in session.get_outputs()]
    for name, found in zip(names, session.run(names, inputs)):
        columns = [name] if found.ndim == 1 else [f"{name}.{c}" for c in range(found.shape[1])]
        expected = np.array([[float(r[c]) for c in columns] for r in scores], dtype=np.float32)
        # Numbers have the scale of their labels, which the largest of them shows: one near 0 is no more exact than that.
        difference = np.abs(found.reshape(expected.shape) - expected) / max(1.0, np.abs(expected).max())
        if not difference.max() <= 1e-5:
            wrong.append((name, float(difference.max()), json.load(open(folder + "/c.yaml"))))
        worst = max(worst, float(difference.max()))
assert not wrong, wrong
print(len(sys.argv) - 1, "files, largest difference", worst)
