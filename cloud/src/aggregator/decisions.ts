import { ProtocolError, PsglError, type Tensor } from "@psgl/sdk";
import { type InferMessage, type Received, refuse } from "@psgl/sdk/protocol";
import type { AggregatorContext } from "./context.js";
import type { Prior, ServerWeights } from "./server-segment.js";

/** Weights that decisions are made with. */
export interface DecisionWeights {
	readonly model: number;
	readonly server: ServerWeights;
	/** Absent until it was fitted, and where the model has no masked recovery. */
	readonly prior: Prior | undefined;
}

/** Answers a request for a decision, from what arrived of it. */
export async function decide(
	context: AggregatorContext,
	{ message, mask }: Received<InferMessage>,
	{ model, server, prior }: DecisionWeights,
): Promise<void> {
	const { device, seq, session, tensors } = message;
	try {
		const smashed = await context.server.decode(tensors.smashed);
		const arrived = mask === undefined ? undefined : { mask, prior: requirePrior(context, prior) };
		const scores =
			arrived === undefined
				? await context.decisions.score(server, smashed)
				: await context.server.scoreMasked(server, smashed, maskTensor(arrived.mask, smashed.dims), arrived.prior);
		const share = mask === undefined ? 1 : mask.reduce((sum, one) => sum + one, 0) / mask.length;
		const answer = { device, seq, session, model, arrived: share };
		context.downlink.send(
			context.manifest.tail === null
				? { type: "scores", ...answer, streams: [...context.manifest.streams, "fused"], tensors: { scores } }
				: { type: "features", task: "infer", epoch: 0, ...answer, tensors: { features: scores } },
		);
	} catch (error) {
		if (!(error instanceof PsglError)) throw error;
		context.emit({ type: "refused", device, code: error.code, reason: error.what });
		context.downlink.send(refuse(device, error, { type: "infer", seq }, error.code === "PSGL_INFER_INCOMPLETE"));
	}
}

function requirePrior({ server }: AggregatorContext, prior: Prior | undefined): Prior {
	if (server.fillsMissing && prior !== undefined) return prior;
	throw new ProtocolError("PSGL_INFER_INCOMPLETE", {
		what: "smashed data arrived incomplete and cannot be filled in",
		got: server.fillsMissing ? "no prior: the model was not trained yet" : "a model without masked recovery",
		remedy: "Send all of it again, or train a model with --recovery masked",
	});
}

function maskTensor(mask: Uint8Array, dims: readonly number[]): Tensor<"float32"> {
	return { dtype: "float32", dims, data: Float32Array.from(mask) };
}
