/** A promise and what settles it: `Promise.withResolvers` for Node 20. */
export interface Deferred<T> {
	readonly promise: Promise<T>;
	resolve(value: T): void;
	reject(error: unknown): void;
}

export function deferred<T>(): Deferred<T> {
	let settle: Omit<Deferred<T>, "promise"> | undefined;
	const promise = new Promise<T>((resolve, reject) => {
		settle = { resolve, reject };
	});
	return { promise, ...(settle as Omit<Deferred<T>, "promise">) };
}
