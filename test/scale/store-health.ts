import { NatsLink } from "@psgl/cloud";
import { systemClock } from "@psgl/sdk";

/** Milliseconds between two looks. */
const lookMs = 200;

/** Tells when the servers of a store have caught up with one another: a kill after that meets a cluster that can bear it. */
export class StoreHealth implements AsyncDisposable {
	readonly #link: NatsLink;
	readonly #streams: readonly string[];

	private constructor(link: NatsLink, streams: readonly string[]) {
		this.#link = link;
		this.#streams = streams;
	}

	/** Of the streams that there are now. */
	static async open(servers: readonly string[]): Promise<StoreHealth> {
		const link = await NatsLink.open({ servers, client: "health" });
		const streams: string[] = [];
		for await (const name of link.manager.streams.names()) streams.push(name);
		return new StoreHealth(link, streams);
	}

	/** Resolves when every stream has a leader and each of its copies is on line and up to date. */
	async whole(): Promise<void> {
		for (const stream of this.#streams) {
			while (!(await this.#isWhole(stream))) await systemClock.sleep(lookMs);
		}
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#link.close();
	}

	async #isWhole(stream: string): Promise<boolean> {
		try {
			await this.#link.ready();
			const { cluster } = await this.#link.call(() => this.#link.manager.streams.info(stream));
			const copies = cluster?.replicas ?? [];
			return copies.every(({ current, offline }) => current && !offline);
		} catch {
			// Nobody leads it at the moment.
			return false;
		}
	}
}
