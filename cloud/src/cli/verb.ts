import type { OptionTable, OptionValues } from "./options/option.js";
import type { Output } from "./output.js";

/** What a verb gets besides its options. */
export interface VerbContext {
	readonly output: Output;
	/** Aborted by the first Ctrl-C or SIGTERM; the verb then ends what it is doing in good order. */
	readonly signal: AbortSignal;
}

/** One verb of the command line. */
export interface Verb {
	/** One word, or two where several verbs share the first: `provision list`. */
	readonly name: string;
	readonly summary: string;
	/** Shown in `--help` under the summary. */
	readonly description: string;
	readonly options: OptionTable;
	/** Key of the option that may also stand without its flag. */
	readonly positional?: string;
	/** More for `--help`, printed as it stands after the options. */
	readonly notes?: string;
	/** Command lines shown at the end of `--help`, each with what it does. */
	readonly examples: readonly { readonly command: string; readonly does: string }[];
	/** Runs the verb with checked options; resolves to the exit code. */
	readonly run: (values: Readonly<Record<string, unknown>>, context: VerbContext) => Promise<number>;
}

/** A verb whose `run` gets the values its table promises. */
export function defineVerb<T extends OptionTable>(
	verb: Omit<Verb, "options" | "run"> & {
		readonly options: T;
		readonly run: (values: OptionValues<T>, context: VerbContext) => Promise<number>;
	},
): Verb {
	return { ...verb, run: (values, context) => verb.run(values as OptionValues<T>, context) };
}
