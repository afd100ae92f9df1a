import { type Runtime, type Session, scalar, type Tensor, zeros } from "@psgl/sdk";
import { artifactGraph, artifactTensor, optimiserStateLength } from "@psgl/sdk/artifact";
import type { Dataset } from "@psgl/sdk/sources";
import { equalClassWeights } from "../compile/server-streams.js";
import type { AuditTarget } from "./audit-target.js";

type Real = Tensor<"float32">;

/** Samples of a device's batch. */
const batchSize = 16;

interface GradientOptions {
	readonly runtime: Runtime;
	readonly threads?: number;
	readonly signal?: AbortSignal | undefined;
}

/**
 * The gradients from which labels can be read, each flat, as they travel: those at the cut that the aggregator sends back to a
 * device, or those at the features that a device with a tail sends. A last batch of one sample, which has no batch statistics, is left
 * out.
 *
 * @throws ArtifactError `PSGL_ARTIFACT_MEMBER` where the aggregator's half is not there
 */
export async function exchangedGradients(
	target: AuditTarget,
	data: Dataset,
	options: GradientOptions,
): Promise<readonly Float32Array[]> {
	const { tail } = target.manifest;
	await using server = await load(target, tail === null ? "server/train" : "server/features", options);
	await using device = tail === null ? undefined : await load(target, "client/tail", options);
	const found: Float32Array[] = [];
	for (let start = 0; start + 1 < data.length; start += batchSize) {
		options.signal?.throwIfAborted();
		const end = Math.min(start + batchSize, data.length);
		const { x, y } = data.batch(Array.from({ length: end - start }, (_, i) => start + i));
		const smashed = await target.release(x);
		const gradient =
			device === undefined
				? await target.arrive(await cutGradient(target, server, smashed, y))
				: await featureGradient(target, [server, device], smashed, y);
		const count = x.dims[0] as number;
		const size = gradient.data.length / count;
		for (let b = 0; b < count; b++) found.push(gradient.data.slice(b * size, (b + 1) * size));
	}
	return found;
}

function load({ artifact }: AuditTarget, graph: string, { runtime, threads = 1 }: GradientOptions): Promise<Session> {
	return runtime.load(artifactGraph(artifact, graph), { threads });
}

function serverFeeds({ artifact }: AuditTarget) {
	return {
		params: artifactTensor(artifact, "server/params"),
		stats: artifactTensor(artifact, "server/stats"),
		step: scalar(1),
	};
}

async function cutGradient(target: AuditTarget, train: Session, smashed: Real, y: Tensor<"int64">): Promise<Real> {
	const { manifest } = target;
	const feeds = {
		...serverFeeds(target),
		smashed,
		y,
		slots: zeros("float32", [optimiserStateLength(manifest, "server")]),
		learningRate: scalar(0),
		classWeights: equalClassWeights(manifest.classes.length),
	};
	return (await train.run(feeds, ["cutGradient"])).cutGradient as Real;
}

/** [B,streams,F]; it travels as float32. */
async function featureGradient(
	target: AuditTarget,
	[server, device]: readonly [Session, Session],
	smashed: Real,
	y: Tensor<"int64">,
): Promise<Real> {
	const { features } = await server.run({ ...serverFeeds(target), smashed });
	const params = artifactTensor(target.artifact, "client/params");
	return (await device.run({ features: features as Real, y, params })).featureGradient as Real;
}
