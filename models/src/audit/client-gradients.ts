import { type Runtime, type Session, type Tensor, tensor } from "@psgl/sdk";
import { artifactTensor } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { differentiate } from "../autodiff/differentiate.js";
import { copyClientHalf } from "../compile/copy-client-half.js";
import { GraphBuilder } from "../graph/builder.js";
import type { Value } from "../graph/graph.js";
import { encodeModel } from "../onnx/write.js";
import type { AuditTarget } from "./audit-target.js";
import { exchangedGradients } from "./exchanged-gradients.js";
import { straightThroughConstants } from "./straight-through.js";

/** What training shows of one sample. */
export interface SampleGradients {
	/** [1,Cs,...]: at the cut, from the aggregator to the device. */
	readonly cut: Tensor<"float32">;
	/** [P]: of the client segment's parameters, which the device makes of it. */
	readonly client: Tensor<"float32">;
}

/**
 * A loss of x [B, ...inputShape] whose gradient at the cut is `cut` [B,Cs,...], and the parameters [P] of the client segment to
 * differentiate it by. By running statistics, so that each sample of a batch has a gradient of its own.
 */
export function lossAtCut(g: GraphBuilder, target: AuditTarget, x: Value, map: "own" | "none" | Value, cut: Value) {
	const { artifact } = target;
	const params = g.constant(artifactTensor(artifact, "client/params"), "client/params");
	const smashed = copyClientHalf(g, artifact, x, map, { params });
	const loss = g.add("ReduceSum", [g.add("Mul", [smashed, cut])], { keepdims: { type: "int", value: 0 } });
	return { loss, params };
}

interface Options {
	readonly runtime: Runtime;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
}

/** The gradient [P] of one sample `x` [1, ...inputShape] with the gradient `cut` [1,Cs,...] at the cut, as a device makes it. */
export function loadClientGradient(target: AuditTarget, { runtime, threads }: Options): Promise<Session> {
	const { inputShape, smashedShape } = target.manifest;
	const g = new GraphBuilder("audit/client-gradient");
	const x = g.input("x", "float32", [1, ...inputShape]);
	const { loss, params } = lossAtCut(g, target, x, "own", g.input("cut", "float32", [1, ...smashedShape]));
	const [gradient] = differentiate(g, [{ value: loss }], [params], straightThroughConstants(g));
	g.output("gradient", gradient ?? g.add("Sub", [params, params]));
	return runtime.load(encodeModel(g.build()), { threads });
}

/** The gradients of the first `count` samples of a device's data, each by itself. */
export async function clientGradients(
	target: AuditTarget,
	data: Dataset,
	count: number,
	options: Options,
): Promise<readonly SampleGradients[]> {
	await using session = await loadClientGradient(target, options);
	const found: SampleGradients[] = [];
	for (const [n, at] of (await exchangedGradients(target, data, "cut", options)).slice(0, count).entries()) {
		options.signal?.throwIfAborted();
		const cut = tensor("float32", [1, ...target.manifest.smashedShape], at);
		const out = await session.run({ x: data.batch([n]).x, cut });
		found.push({ cut, client: out.gradient as Tensor<"float32"> });
	}
	return found;
}
