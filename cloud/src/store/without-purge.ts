import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";

/**
 * A client whose streams are never purged by subject: the object store does that with what is left of a put that failed, and a killed server of NATS 2.9 may
 * do it again on everything before (`removeObject`). What is left stays, and nothing refers to it.
 */
export function withoutPurge(client: JetStreamClient): JetStreamClient {
	return replaced(client, "jetstreamManager", async (checkApi?: boolean): Promise<JetStreamManager> => {
		const manager = await client.jetstreamManager(checkApi);
		const streams = replaced(manager.streams, "purge", async () => ({ success: false, purged: 0 }));
		return replaced(manager, "streams", streams);
	});
}

/** The same object, one of its members another one. */
function replaced<T extends object, K extends keyof T>(object: T, key: K, value: T[K]): T {
	return new Proxy(object, {
		get(target, name) {
			if (name === key) return value;
			const member: unknown = Reflect.get(target, name, target);
			return typeof member === "function" ? member.bind(target) : member;
		},
	});
}
