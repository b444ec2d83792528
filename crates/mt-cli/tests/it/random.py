# What ONNX Runtime says of the rows of each folder, beside scores.csv.
import csv, json, sys
import numpy as np, onnxruntime

worst = 0.0
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
        last = field["list"].get("keep", {}).get("last", 0)
        lists = [values[-last:] for values in lists]
        longest = max(1, max(map(len, lists)))
        inputs[i.name] = np.array([values + [-1] * (longest - len(values)) for values in lists], dtype=np.int64)
    names = [o.name for o in session.get_outputs()]
    for name, found in zip(names, session.run(names, inputs)):
        columns = [name] if found.ndim == 1 else [f"{name}.{c}" for c in range(found.shape[1])]
        expected = np.array([[float(r[c]) for c in columns] for r in scores], dtype=np.float32)
        # What went through an exponential is as exact as its logarithm was: one of 600 is 6.4 to 1e-5.
        logarithm = np.maximum(1, np.log(np.maximum(1, np.abs(expected))))
        difference = np.abs(found.reshape(expected.shape) - expected) / np.maximum(1, np.abs(expected)) / logarithm
        assert difference.max() <= 1e-5, (folder, name, difference.max())
        worst = max(worst, float(difference.max()))
print(len(sys.argv) - 1, "files, largest difference", worst)
