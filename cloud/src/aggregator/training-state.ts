import { createHash } from "node:crypto";
import { ArtifactError, DataError, type Tensor } from "@psgl/sdk";
import { type Artifact, artifactTensor } from "@psgl/sdk/artifact";
import type { ClientWeights } from "@psgl/sdk/protocol";
import { z } from "zod";
import { decodeCheckpoint, encodeCheckpoint } from "./checkpoint.js";
import type { CodeCache } from "./code-cache.js";
import type { Reservoir } from "./reservoir.js";
import { initialServerState, type ServerState, type ServerWeights } from "./server-segment.js";
import type { WeightAverage } from "./weight-average.js";

type Vector = Tensor<"float32">;

/** The best round so far, by its validation. */
export interface BestRound {
	readonly round: number;
	readonly loss: number;
	readonly client: ClientWeights;
	readonly server: ServerWeights;
	/** Complete smashed data of that round; lost in a checkpoint. */
	readonly samples: readonly Reservoir[];
}

/** A run between two rounds: what a checkpoint holds. */
export interface TrainingState {
	/** Rounds finished. */
	readonly round: number;
	/** Legs finished, in all rounds. */
	readonly epoch: number;
	/** Version of the weights that `deployedWeights` gives. */
	readonly model: number;
	/** Where training goes on from. */
	readonly client: ClientWeights;
	readonly server: ServerState;
	/** Undefined in the first half of a run, or where weights are not averaged. */
	readonly average: WeightAverage | undefined;
	readonly best: BestRound | undefined;
	/** Codes that the devices sent; none where they exchange batches. */
	readonly codes: CodeCache;
}

/** The state an artifact starts from. */
export function initialState(artifact: Artifact): TrainingState {
	return {
		round: 0,
		epoch: 0,
		model: artifact.manifest.version,
		client: {
			params: artifactTensor(artifact, "client/params"),
			stats: artifactTensor(artifact, "client/stats"),
			head: artifactTensor(artifact, "client/head"),
		},
		server: initialServerState(artifact),
		average: undefined,
		best: undefined,
		codes: [],
	};
}

/** What is validated, and decides: the average of the weights where there is one, else those reached last. */
export function deployedWeights({ model, client, server, average }: TrainingState): {
	readonly model: number;
	readonly client: ClientWeights;
	readonly server: ServerWeights;
} {
	return { model, client: average?.client ?? client, server: average?.server ?? server };
}

const count = z.int().min(0);
const facts = z.strictObject({
	/** SHA-256 of the artifact the run started from. */
	artifact: z.string(),
	/** Engine, version and threads: others may give other bits. */
	runtime: z.string(),
	round: count,
	epoch: count,
	model: count,
	step: count,
	/** Legs in the average of the weights; 0 where there is none. */
	averaged: count,
	/** Place in the log of the run up to which the state is what the log tells. */
	log: z.strictObject({ id: z.string(), position: count }),
	best: z.strictObject({ round: count, loss: z.number() }).nullable(),
	/** Whose codes the vectors `codes/0/smashed`, `codes/0/labels` and so on are. */
	codes: z.array(z.strictObject({ device: z.string(), part: z.enum(["train", "validation"]) })).default([]),
});

/** What a checkpoint has to fit. */
export interface RunIdentity {
	/** SHA-256 (hex) of the artifact the run started from. */
	readonly artifact: string;
	/** `Runtime.version`. */
	readonly runtime: string;
}

/** Up to where the state is what a log tells. */
export interface LogPlace {
	/** `Log.id`. */
	readonly id: string;
	/** Of the next entry. */
	readonly position: number;
}

/** SHA-256 (hex) of the weights and the optimiser's state. */
export function stateDigest(state: TrainingState): string {
	const bytes = encodeState({ ...state, best: undefined }, { artifact: "", runtime: "" }, { id: "", position: 0 });
	return createHash("sha256").update(bytes).digest("hex");
}

export function encodeState(state: TrainingState, run: RunIdentity, log: LogPlace): Uint8Array {
	const { round, epoch, model, client, server, average, best, codes } = state;
	return encodeCheckpoint<z.infer<typeof facts>>({
		facts: {
			...run,
			round,
			epoch,
			model,
			step: server.step,
			averaged: average?.legs ?? 0,
			log,
			best: best ? { round: best.round, loss: best.loss } : null,
			codes: codes.map(({ device, part }) => ({ device, part })),
		},
		vectors: {
			...named("client/", { ...client }),
			...named("server/", { params: server.params, stats: server.stats, slots: server.slots }),
			...(average && named("average/client/", { ...average.client })),
			...(average && named("average/server/", { ...average.server })),
			...(best && named("best/client/", { ...best.client })),
			...(best && named("best/server/", { ...best.server })),
			...Object.assign(
				{},
				...codes.map(({ smashed, labels }, i) => named(`codes/${i}/`, { smashed, labels: asReal(labels) })),
			),
		},
	});
}

/**
 * @throws DataError `PSGL_CHECKPOINT_DAMAGED`, `PSGL_CHECKPOINT_FORMAT`; ArtifactError `PSGL_CHECKPOINT_MODEL` when it is
 * of a run with another artifact.
 */
export function decodeState(
	bytes: Uint8Array,
	run: RunIdentity,
): { state: TrainingState; runtime: string; log: LogPlace } {
	const { facts: known, vectors } = decodeCheckpoint(bytes, facts);
	if (known.artifact !== run.artifact) {
		throw new ArtifactError("PSGL_CHECKPOINT_MODEL", {
			what: "the checkpoint is of a run with another model",
			got: `artifact ${known.artifact}`,
			expected: `artifact ${run.artifact}`,
			remedy: "Give the artifact the run started with, or remove the checkpoint",
		});
	}
	const vector = (name: string): Vector => {
		const found = vectors[name];
		if (found === undefined) {
			throw new DataError("PSGL_CHECKPOINT_FORMAT", {
				what: "the checkpoint lacks a vector",
				expected: name,
				remedy: "Remove the file to start from the artifact's weights, or use the version of psgl that wrote it",
			});
		}
		return found;
	};
	const client = (prefix: string): ClientWeights => ({
		params: vector(`${prefix}params`),
		stats: vector(`${prefix}stats`),
		head: vector(`${prefix}head`),
	});
	const server = { params: vector("server/params"), stats: vector("server/stats"), slots: vector("server/slots") };
	const serverWeights = (prefix: string): ServerWeights => ({
		params: vector(`${prefix}params`),
		stats: vector(`${prefix}stats`),
	});
	const best = known.best && {
		...known.best,
		client: client("best/client/"),
		server: serverWeights("best/server/"),
		samples: [],
	};
	const legs = known.averaged;
	const average =
		legs > 0 ? { legs, client: client("average/client/"), server: serverWeights("average/server/") } : undefined;
	return {
		runtime: known.runtime,
		log: known.log,
		state: {
			round: known.round,
			epoch: known.epoch,
			model: known.model,
			client: client("client/"),
			server: { ...server, step: known.step },
			average,
			best: best ?? undefined,
			codes: known.codes.map(({ device, part }, i) => {
				const { dims, data } = vector(`codes/${i}/labels`);
				const labels = { dtype: "int64", dims, data: BigInt64Array.from(data, (label) => BigInt(label)) } as const;
				return { device, part, smashed: vector(`codes/${i}/smashed`), labels };
			}),
		},
	};
}

/** Labels are far below what float32 holds exactly. */
function asReal({ dims, data }: Tensor<"int64">): Vector {
	return { dtype: "float32", dims, data: Float32Array.from(data, Number) };
}

function named(prefix: string, vectors: Readonly<Record<string, Vector>>): Record<string, Vector> {
	return Object.fromEntries(Object.entries(vectors).map(([name, v]) => [prefix + name, v]));
}
