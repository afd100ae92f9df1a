import { type Decision, Device, type LimitError, PsglError, type Runtime, scalar, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactGraph, artifactTensor, type Manifest } from "@psgl/sdk/artifact";
import { nodeRuntime } from "@psgl/sdk/runtime/node";
import { openDeviceStore } from "@psgl/sdk/store";
import { listDecisions } from "../decision-list.js";
import { formatPercent } from "../format.js";
import { type InferenceInputs, type InputOptions, readInputs } from "../inference-inputs.js";
import { readAddress } from "../kit-options.js";
import { openArtifact } from "../open-artifact.js";
import type { Output } from "../output.js";
import type { VerbContext } from "../verb.js";

interface InferValues extends InputOptions {
	readonly url?: string | undefined;
	readonly artifact?: string | undefined;
	readonly id?: string | undefined;
	readonly kit?: string | undefined;
	readonly key?: string | undefined;
	readonly state?: string | undefined;
	readonly budgetBits?: number | undefined;
	readonly timeout: number;
}

/** Who decided: the aggregator over MQTT, the device's local head, or both halves on this machine. */
type Source = Decision["source"] | "artifact";

interface Answer {
	readonly source: Source;
	/** [B,K] */
	readonly scores: Float32Array;
	readonly arrived: number;
	readonly model: number;
	readonly withheld?: LimitError | undefined;
	/** Bits that were ever released of all samples, as the device's store remembers. */
	readonly bitsReleased?: number | undefined;
}

/** Decides and prints: one line a sample. */
export async function runInfer(options: InferValues, context: VerbContext): Promise<number> {
	const { output, signal } = context;
	if (options.artifact !== undefined && options.url === undefined && options.kit === undefined) {
		const artifact = await openArtifact(options.artifact);
		const inputs = await readInputs(options, artifact.manifest, signal);
		print(output, artifact.manifest, inputs, await decideOffline(artifact, inputs.x, nodeRuntime));
		return 0;
	}
	const deadlineMs = options.timeout * 1000;
	const id = options.id ?? (options.kit === undefined ? "psgl-infer" : undefined);
	const { state, budgetBits } = options;
	const connect = async (awaitBroker: boolean) =>
		Device.connect({
			...(await readAddress({ ...options, id })),
			runtime: nodeRuntime,
			store: state === undefined ? undefined : await openDeviceStore(state),
			budgetBits,
			connectDeadlineMs: deadlineMs,
			inferTimeoutMs: deadlineMs,
			awaitBroker,
			signal,
		});
	await using device = await connect(true).catch((error: unknown) => {
		// A state may hold a model that decides alone.
		if (state !== undefined && error instanceof PsglError && error.code === "PSGL_BROKER_UNREACHABLE")
			return connect(false);
		throw error;
	});
	const manifest = await device.ready({ signal });
	const inputs = await readInputs(options, manifest, signal);
	const { source, scores, arrived, model, withheld } = await device.infer(inputs.x, { signal });
	print(output, manifest, inputs, {
		source,
		scores: scores.data,
		arrived,
		model,
		withheld,
		bitsReleased: device.disclosure.bits,
	});
	return 0;
}

/** Both halves in this process, or the local head where the artifact is a client half. */
async function decideOffline(artifact: Artifact, x: Tensor<"float32">, runtime: Runtime): Promise<Answer> {
	const { manifest } = artifact;
	await using client = await runtime.load(artifactGraph(artifact, "client/infer"));
	const { smashed, localScores } = await client.run({
		x,
		params: artifactTensor(artifact, "client/params"),
		stats: artifactTensor(artifact, "client/stats"),
		head: artifactTensor(artifact, "client/head"),
		budget: scalar(manifest.map?.budget ?? 0),
	});
	if (manifest.part === "client") {
		const { data } = localScores as Tensor<"float32">;
		return { source: "local-head", scores: data, arrived: 0, model: manifest.version };
	}
	await using server = await runtime.load(artifactGraph(artifact, "server/infer"));
	const answer = await server.run({
		smashed: smashed as Tensor,
		params: artifactTensor(artifact, "server/params"),
		stats: artifactTensor(artifact, "server/stats"),
	});
	const { scores } = manifest.tail === null ? answer : await decideByTail(artifact, answer.features as Tensor, runtime);
	return { source: "artifact", scores: fusedRow(scores as Tensor<"float32">), arrived: 1, model: manifest.version };
}

/** The device's end of the network. */
async function decideByTail(artifact: Artifact, features: Tensor, runtime: Runtime) {
	await using tail = await runtime.load(artifactGraph(artifact, "client/decide"));
	return tail.run({ features, params: artifactTensor(artifact, "client/params") });
}

/** The decision's row of scores [B,rows,K]. */
function fusedRow({ dims, data }: Tensor<"float32">): Float32Array {
	const [samples = 0, rows = 0, classes = 0] = dims;
	const fused = new Float32Array(samples * classes);
	for (let b = 0; b < samples; b++) {
		const from = (b * rows + rows - 1) * classes;
		fused.set(data.subarray(from, from + classes), b * classes);
	}
	return fused;
}

function print(output: Output, manifest: Manifest, inputs: InferenceInputs, answer: Answer): void {
	const { columns, rows, summary, fields } = listDecisions(manifest, inputs, answer.scores);
	output.table(columns, rows);
	if (summary !== undefined) output.print(summary);
	output.print(sourceLine(answer));
	const { source, model, arrived, withheld, bitsReleased } = answer;
	output.result({ source, model, arrived, bitsReleased, ...(withheld && { withheld: withheld.code }), ...fields });
}

function sourceLine({ source, arrived, model, withheld }: Answer): string {
	if (withheld !== undefined) {
		return `Decided by the local head alone, weights version ${model}, and nothing was sent: ${withheld.what}`;
	}
	switch (source) {
		case "aggregator":
			return `Decided by the whole system, weights version ${model}; ${formatPercent(arrived)} of the smashed data arrived`;
		case "artifact":
			return `Decided by both halves on this machine, weights version ${model}`;
		case "local-head":
			return `Decided by the local head alone, weights version ${model}: no aggregator took part`;
	}
}
