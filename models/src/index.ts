export { differentiate, type Seed } from "./autodiff/differentiate.js";
export { type ClassificationMetrics, classificationMetrics } from "./evaluation/metrics.js";
export {
	type Attribute,
	type Attributes,
	float,
	floats,
	int,
	ints,
	string,
} from "./graph/attribute.js";
export { GraphBuilder, staticElementCount } from "./graph/builder.js";
export {
	type Dim,
	formatShape,
	type Graph,
	type Node,
	opset,
	type Shape,
	staticShape,
	type Value,
	type ValueType,
} from "./graph/graph.js";
export { encodeModel } from "./onnx/write.js";
