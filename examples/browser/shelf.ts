import { Dataset, openIndexedDbStore } from "@psgl/sdk/web";

type Store = Awaited<ReturnType<typeof openIndexedDbStore>>;

/** The pictures the user chose, kept in this browser, so that a page that is loaded again goes on where it was. */
export class Shelf {
	readonly #store: Store;

	private constructor(store: Store) {
		this.#store = store;
	}

	static async open(device: string): Promise<Shelf> {
		return new Shelf(await openIndexedDbStore(`${device}-pictures`));
	}

	async read(): Promise<Dataset | undefined> {
		const [about, samples, labels] = await Promise.all(
			["about", "samples", "labels"].map((key) => this.#store.get(key)),
		);
		if (about === undefined || samples === undefined || labels === undefined) return undefined;
		const { shape, classes } = JSON.parse(new TextDecoder().decode(about)) as Pick<Dataset, "shape" | "classes">;
		return new Dataset({ shape, classes, samples, labels: Int32Array.from(labels) });
	}

	async write({ shape, classes, samples, labels }: Dataset): Promise<void> {
		await this.#store.write([
			{ key: "about", value: new TextEncoder().encode(JSON.stringify({ shape, classes })) },
			{ key: "samples", value: samples as Uint8Array },
			{ key: "labels", value: Uint8Array.from(labels) },
		]);
	}
}
