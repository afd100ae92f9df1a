import { ProtocolError } from "../errors.js";
import type { TensorDescriptor } from "./headers.js";
import type { MessageType } from "./messages.js";

/**
 * What a tensor may be. `real`: a gradient, [B,C] and more, float32, float16, int8 or int4. `smashed`: the same, or a code [B,k].
 * `labels`: class indices [B], uint8 or int32, or marks of several labels [B,K], uint8. `flat`: a float32 vector, may be empty. `scores`: float32 [B,streams,K].
 */
type Kind = "real" | "smashed" | "code" | "labels" | "flat" | "scores";

const weights = { params: "flat", stats: "flat", head: "flat" } as const;

/** Tensors of each message that has any, in the order in which they lie in the body. */
const rules: { readonly [T in MessageType]?: Readonly<Record<string, Kind>> } = {
	batch: { smashed: "smashed", labels: "labels" },
	evaluate: { smashed: "smashed", labels: "labels" },
	codes: { smashed: "code", labels: "labels" },
	forward: { smashed: "real" },
	features: { features: "real" },
	backward: { featureGradient: "real" },
	infer: { smashed: "smashed" },
	weights,
	round: weights,
	end: weights,
	gradient: { cutGradient: "real" },
	scores: { scores: "scores" },
};

/** Names of the tensors of a type of message, in order. */
export function tensorNames(type: MessageType): readonly string[] {
	return Object.keys(rules[type] ?? {});
}

/**
 * Checks names, element types and shapes of a message's tensors.
 * @throws ProtocolError `PSGL_PROTOCOL_TENSOR`.
 */
export function checkTensors(type: MessageType, descriptors: readonly TensorDescriptor[]): void {
	const names = descriptors.map((d) => d.name).join(", ");
	const expected = tensorNames(type).join(", ");
	if (names !== expected) {
		throw misfit(`a ${type} message does not hold its tensors in order`, names, expected);
	}
	const kinds = rules[type] ?? {};
	for (const descriptor of descriptors) checkKind(kinds[descriptor.name] as Kind, descriptor);
	const [smashed, labels] = descriptors;
	if (smashed && labels && kinds[labels.name] === "labels" && smashed.dims[0] !== labels.dims[0]) {
		throw misfit(
			"smashed data and labels have different batch sizes",
			`smashed ${describe(smashed)}, labels ${describe(labels)}`,
			"the same first dimension",
		);
	}
}

function checkKind(kind: Kind, d: TensorDescriptor): void {
	const rank = d.dims.length;
	const empty = d.dims.includes(0);
	switch (kind) {
		case "smashed":
			checkKind(d.dtype === "code" ? "code" : "real", d);
			return;
		case "code":
			if (rank !== 2 || empty || d.dtype !== "code") {
				throw misfit(`${d.name} is no batch of codes`, describe(d), "code of shape [B,k]");
			}
			return;
		case "real":
			if (rank < 2 || empty || !["float32", "float16", "int8", "int4"].includes(d.dtype)) {
				throw misfit(
					`${d.name} is no batch of real numbers`,
					describe(d),
					"float32, float16, int8 or int4 of shape [B,C,...]",
				);
			}
			return;
		case "labels":
			if (empty || !((rank === 1 && d.dtype === "int32") || ((rank === 1 || rank === 2) && d.dtype === "uint8"))) {
				throw misfit(
					`${d.name} is no list of labels`,
					describe(d),
					"uint8 or int32 of shape [B], or uint8 of shape [B,K] where several labels may apply to a sample",
				);
			}
			return;
		case "flat":
			if (rank !== 1 || d.dtype !== "float32") {
				throw misfit(`${d.name} is no flat vector`, describe(d), "float32 of shape [N]");
			}
			return;
		case "scores":
			if (rank !== 3 || empty || d.dtype !== "float32") {
				throw misfit(`${d.name} is no table of scores`, describe(d), "float32 of shape [B,streams,K]");
			}
	}
}

function describe(d: TensorDescriptor): string {
	return `${d.dtype} [${d.dims.join(",")}]`;
}

function misfit(what: string, got: string, expected: string): ProtocolError {
	return new ProtocolError("PSGL_PROTOCOL_TENSOR", {
		what,
		got,
		expected,
		remedy: "Check that both sides use the same artifact and protocol version",
	});
}
