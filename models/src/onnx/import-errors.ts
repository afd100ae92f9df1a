import { ArtifactError } from "@psgl/sdk";
import type { KnownIntegers } from "./fold-shapes.js";
import type { NodeProto } from "./schema.js";
import { nodeName } from "./sort-nodes.js";

/** Two initialisers of one name. */
export function duplicate(name: string): ArtifactError {
	return new ArtifactError("PSGL_ONNX_DUPLICATE", {
		what: `two parts of the model give a value of one name: ${name}`,
		got: "two initialisers",
		remedy: "Rename one of them; onnx.checker finds such names",
	});
}

/** A node that runs sub-graphs as the data have it. */
export function dataDependent(node: NodeProto): ArtifactError {
	return new ArtifactError("PSGL_ONNX_CONTROL_FLOW", {
		what: `node ${nodeName(node)} (${node.opType}) is control flow, which can be neither cut nor differentiated`,
		got: node.opType === "If" ? "a condition that is only known when the graph runs" : node.opType,
		remedy: "Export a traced model of fixed shapes with torch.onnx.export, so that branches and loops are written out",
	});
}

/** A value nobody computes. */
export function undefinedValue(name: string, reader: string): ArtifactError {
	return new ArtifactError("PSGL_ONNX_CORRUPT", {
		what: `${reader} reads a value nothing computes`,
		got: name,
		remedy: "Check the file with onnx.checker",
	});
}

/** A shape with extents that no node in front measures. */
export function dynamicShape(name: string, reader: string, { values }: KnownIntegers): ArtifactError {
	return new ArtifactError("PSGL_ONNX_DYNAMIC_SHAPE", {
		what: `${reader} needs a shape that is only known when the graph runs`,
		got: `${name} = [${values.join(",")}]`,
		remedy: "Export the model with fixed sizes in all axes but the batch",
	});
}
