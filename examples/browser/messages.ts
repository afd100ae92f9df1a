import type { LabelledPicture } from "@psgl/sdk/web";

/** What the page asks of the worker. */
export type Request =
	| { readonly type: "connect"; readonly url: string; readonly id: string }
	| { readonly type: "pictures"; readonly pictures: readonly LabelledPicture[] }
	| { readonly type: "frame"; readonly sample: Uint8Array; readonly label: number }
	| { readonly type: "train" }
	| { readonly type: "decide"; readonly file: Blob };

/** A sample [C,H,W] in [0,1] to draw. */
export interface Drawing {
	readonly shape: readonly number[];
	readonly values: Float32Array;
}

/** What the worker tells the page. */
export type Report =
	| {
			readonly type: "ready";
			readonly model: string;
			readonly classes: readonly string[];
			readonly shape: readonly number[];
			readonly runtime: string;
			readonly threads: number;
			readonly warnings: readonly string[];
	  }
	| { readonly type: "link"; readonly online: boolean }
	| { readonly type: "pictures"; readonly perClass: readonly number[]; readonly setAside: readonly string[] }
	| {
			readonly type: "preview";
			readonly original: Drawing;
			readonly perturbed: Drawing;
			readonly smashed: Drawing;
			readonly bytes: number;
	  }
	| {
			readonly type: "progress";
			readonly line: string;
			readonly loss?: number;
			readonly bytesUp: number;
			readonly bytesDown: number;
	  }
	| { readonly type: "trained"; readonly reason: string }
	| {
			readonly type: "decision";
			readonly label: string;
			readonly probability: number;
			readonly source: "aggregator" | "local-head";
	  }
	| { readonly type: "failed"; readonly message: string };
