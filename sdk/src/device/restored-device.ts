import type { DeviceStore, StoreChange } from "../ports/device-store.js";
import { decodeEnvelope, encodeEnvelope, type WelcomeMessage } from "../protocol/index.js";
import { readRecord, writeRecord } from "../store/record.js";
import type { ModelSlots } from "./model-slots.js";
import type { RoundProgress } from "./round-progress.js";

const progressName = "progress";
/** Each perturbation has a record of its own: a step changes those of one batch. */
const perturbationPrefix = "perturbation/";

/** What the store held when the device started. */
export interface RestoredDevice {
	readonly welcome: WelcomeMessage;
	readonly artifact: Uint8Array;
	/** Of `ClientState`; undefined while no weights have come and no step was made. */
	readonly client: Uint8Array | undefined;
	readonly progress: RoundProgress | undefined;
	/** Bytes of the perturbations that have changed, by sample. */
	readonly perturbations: ReadonlyMap<number, Uint8Array>;
}

/** Undefined when there is no active model, or not all of it. */
export async function readRestored(store: DeviceStore, slots: ModelSlots): Promise<RestoredDevice | undefined> {
	const welcome = await store.get(slots.key("welcome"));
	const artifact = await store.get(slots.key("artifact"));
	if (welcome === undefined || artifact === undefined) return undefined;
	const progress = await store.get(progressName);
	const perturbations = new Map<number, Uint8Array>();
	for (const key of await store.keys(perturbationPrefix)) {
		perturbations.set(Number(key.slice(perturbationPrefix.length)), (await store.get(key)) as Uint8Array);
	}
	return {
		welcome: decodeEnvelope(welcome) as WelcomeMessage,
		artifact,
		client: await store.get(slots.key("client")),
		progress: progress && readProgress(progress),
		perturbations,
	};
}

/** Keeps the device's place in the round; undefined when there is no round any more. */
export function progressChange(progress: RoundProgress | undefined): StoreChange {
	return { key: progressName, value: progress && progressBytes(progress) };
}

/** Keeps the perturbation of one sample. */
export function perturbationChange(index: number, value: Uint8Array): StoreChange {
	return { key: perturbationPrefix + index, value };
}

/** Changes that remove every perturbation. */
export async function withoutPerturbations(store: DeviceStore): Promise<readonly StoreChange[]> {
	return (await store.keys(perturbationPrefix)).map((key) => ({ key, value: undefined }));
}

function progressBytes({ round, ...rest }: RoundProgress): Uint8Array {
	return writeRecord({ ...rest, round: encodeEnvelope(round) });
}

function readProgress(bytes: Uint8Array): RoundProgress {
	const { round, ...rest } = readRecord<Omit<RoundProgress, "round"> & { readonly round: Uint8Array }>(bytes);
	return { ...rest, round: decodeEnvelope(round) as RoundProgress["round"] };
}
