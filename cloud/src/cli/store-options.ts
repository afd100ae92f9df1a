import type { Artifact } from "@psgl/sdk/artifact";
import { z } from "zod";
import { artifactDigest } from "../aggregator/run-identity.js";
import { RunStore } from "../scale/run-store.js";
import { type OptionValues, option } from "./options/option.js";

/** Where a run lies that is more than one machine's, for who gives it orders. */
export const storePlaceOptions = {
	store: option(
		"URL,...",
		"NATS servers with JetStream that keep log, checkpoints and models instead of files: nats://10.0.0.1:4222, or tls:// with --store-tls (docs/deployment.md)",
		z
			.string()
			.regex(
				/^(nats|tls):\/\/[^,\s]+(,\s*(nats|tls):\/\/[^,\s]+)*$/,
				"nats:// or tls:// addresses, with commas between them",
			)
			.optional(),
	),
	storeName: option(
		"NAME",
		"name of the run in the store; a run that is there is gone on with",
		z.string().default("psgl"),
	),
	storeTls: option(
		"DIR",
		"folder with ca.pem, cert.pem and key.pem for the connection with the store",
		z.string().optional(),
	),
};

/** The same for its processes. */
export const storeOptions = {
	...storePlaceOptions,
	storeReplicas: option(
		"N",
		"servers that keep a copy of everything: 1, 3 or 5 (default: 3 where three addresses are given, else 1)",
		z.int().min(1).max(5).optional(),
	),
	partitions: option(
		"N",
		"parts of the fleet, by device id, each with an aggregator of its own; the same for every process of a run",
		z.int().min(1).max(1024).default(1),
	),
};

/** The store of a run; undefined without `--store`. @throws as `RunStore.open`. */
export async function openRunStore(
	{
		store,
		storeName: name,
		storeReplicas: replicas,
		storeTls: tlsFolder,
		partitions,
	}: OptionValues<typeof storeOptions>,
	artifact: Artifact,
	signal: AbortSignal,
): Promise<RunStore | undefined> {
	if (store === undefined) return undefined;
	return RunStore.open({
		servers: serversOf(store),
		name,
		artifact: await artifactDigest(artifact),
		replicas,
		tlsFolder,
		partitions,
		signal,
	});
}

/** The store of a run that is there; undefined without `--store`. @throws as `RunStore.join`. */
export async function joinRunStore(
	{ store, storeName: name, storeTls: tlsFolder }: OptionValues<typeof storePlaceOptions>,
	signal: AbortSignal,
): Promise<RunStore | undefined> {
	if (store === undefined) return undefined;
	return RunStore.join({ servers: serversOf(store), name, tlsFolder, signal });
}

function serversOf(store: string): readonly string[] {
	return store.split(",").map((address) => address.trim());
}
