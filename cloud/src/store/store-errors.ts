import { ConfigError, ConnectionError, DataError } from "@psgl/sdk";

/** No server of the store answers, or the one that does refuses the connection. */
export function storeUnreachable(servers: readonly string[], cause: unknown): ConnectionError {
	return new ConnectionError("PSGL_STORE_UNREACHABLE", {
		what: "no NATS server of the store takes the connection",
		got: `${(cause as Error).message} (${servers.join(", ")})`,
		expected: "a NATS server with JetStream",
		remedy: "Check the addresses of --store, the firewall, and with --store-tls the certificates; then start again",
		cause,
	});
}

/** A call to the store got no answer in time. */
export function storeTimeout(what: string, timeoutMs: number, cause?: unknown): ConnectionError {
	return new ConnectionError("PSGL_STORE_TIMEOUT", {
		what: `the store did not answer: ${what}`,
		got: `no answer within ${timeoutMs} ms`,
		remedy:
			"Check that a majority of the NATS servers run and that JetStream has a leader (nats server report jetstream)",
		cause,
	});
}

/** The server lacks something that psgl builds on. */
export function storeTooOld(version: string, feature: string, since: string): ConfigError {
	return new ConfigError("PSGL_STORE_VERSION", {
		what: `the NATS server lacks ${feature}`,
		got: `version ${version}`,
		expected: `${since} or later`,
		remedy: "Update every NATS server of the store; docs/deployment.md has the table of features",
	});
}

/** Something of that name is in the store, made for something else. */
export function storeConfig(what: string, got: string, expected: string): ConfigError {
	return new ConfigError("PSGL_STORE_CONFIG", {
		what: `the store holds ${what} with another configuration`,
		got,
		expected,
		remedy: "Give the options it was made with, choose another --store-name, or remove it with the nats command line",
	});
}

/** The store refuses what it is asked to make. */
export function storeRefused(what: string, cause: unknown): ConfigError {
	return new ConfigError("PSGL_STORE_REFUSED", {
		what: `the store does not make ${what}`,
		got: (cause as Error).message,
		remedy: "Check JetStream's limits of the account (storage, streams, replicas) and that enough servers run",
		cause,
	});
}

/** A blob that something refers to is gone. */
export function blobMissing(name: string, what = "no such blob"): DataError {
	return new DataError("PSGL_BLOB_MISSING", {
		what: `the blob ${name} is not in the store, or not whole`,
		got: what,
		remedy: "Restore the store from a backup, or go on from a checkpoint before it",
	});
}

/** A blob's bytes are others than were put. */
export function blobDamaged(name: string, got: string, expected: string): DataError {
	return new DataError("PSGL_BLOB_DAMAGED", {
		what: `the blob ${name} is damaged`,
		got,
		expected,
		remedy: "Restore the store from a backup, or go on from a checkpoint before it",
	});
}

/** Another owner writes this blob now. */
export function blobFenced(name: string, epoch: number, newer: number): ConfigError {
	return new ConfigError("PSGL_BLOB_FENCED", {
		what: `the blob ${name} belongs to a later owner`,
		got: `epoch ${epoch}`,
		expected: `${newer} or later`,
		remedy: "Nothing was written; the process ends, and the later owner goes on",
	});
}
