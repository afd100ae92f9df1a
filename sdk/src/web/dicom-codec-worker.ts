/** Decodes compressed DICOM frames in a worker of its own, which can be ended when a damaged one has a codec go on for ever. */
import { CodecInstance } from "../sources/dicom/codec-instance.js";
import type { CodecAnswer, CodecRequest } from "./dicom-codecs.js";

let codecs: CodecInstance | undefined;

addEventListener("message", async ({ data }: MessageEvent<CodecRequest>) => {
	let answer: CodecAnswer;
	try {
		if ("module" in data) {
			codecs = await CodecInstance.create(data.module);
			answer = "ready";
		} else {
			answer = { frame: (codecs as CodecInstance).decode(data.codec, data.encoded, data.format) };
		}
	} catch (error) {
		answer = { error: error instanceof Error ? error.message : String(error) };
	}
	postMessage(answer);
});
