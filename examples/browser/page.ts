/** The page: shows what the worker reports, and asks it for what the user wants. */
import { cameraFrames, type PictureShape } from "@psgl/sdk/web";
import { drawMosaic, drawPicture } from "./drawing.js";
import type { Report, Request } from "./messages.js";

const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
const ask = (request: Request) => worker.postMessage(request);

let shape: PictureShape = [1, 28, 28];
let camera: AbortController | undefined;

element("connect").addEventListener("submit", (event) => {
	event.preventDefault();
	say("failure", "");
	say("link", "connecting");
	ask({ type: "connect", url: input("url").value, id: input("id").value });
});
element("train").addEventListener("click", () => {
	say("failure", "");
	ask({ type: "train" });
});
element("camera").addEventListener("click", () => void toggleCamera());
input("question").addEventListener("change", () => {
	const file = input("question").files?.[0];
	if (file !== undefined) ask({ type: "decide", file });
});

worker.addEventListener("message", ({ data }: MessageEvent<Report>) => show(data));
worker.addEventListener("error", ({ message }) => say("failure", message));

function show(report: Report): void {
	switch (report.type) {
		case "ready":
			shape = report.shape as unknown as PictureShape;
			say(
				"about",
				`Model ${report.model}, ${report.runtime}, ${report.threads === 1 ? "1 thread" : `${report.threads} threads`}`,
			);
			say("warnings", report.warnings.join(" "));
			offerClasses(report.classes);
			for (const id of ["model", "pictures", "training", "deciding"]) element(id).hidden = false;
			return;
		case "link":
			say("link", report.online ? "on line" : "off line: the device answers alone");
			return;
		case "pictures":
			for (const [k, count] of report.perClass.entries())
				say(`count-${k}`, count === 1 ? "1 picture" : `${count} pictures`);
			element("set-aside").replaceChildren(
				...report.setAside.map((reason) => Object.assign(document.createElement("li"), { textContent: reason })),
			);
			return;
		case "preview":
			element("leaving").hidden = false;
			drawPicture(canvas("original"), report.original);
			drawPicture(canvas("perturbed"), report.perturbed);
			drawMosaic(canvas("smashed"), report.smashed);
			say("sent", `Smashed data, ${report.bytes} bytes: these leave`);
			return;
		case "progress":
			say("progress", report.loss === undefined ? report.line : `${report.line}, loss ${report.loss.toFixed(3)}`);
			say("traffic", `${kilobytes(report.bytesUp)} sent, ${kilobytes(report.bytesDown)} received`);
			return;
		case "trained":
			say("progress", `Trained (${report.reason})`);
			return;
		case "decision":
			say(
				"decision",
				`${report.label}, ${(100 * report.probability).toFixed(1)} %, ${report.source === "aggregator" ? "by the whole system" : "by this device alone"}`,
			);
			return;
		case "failed":
			say("failure", report.message);
	}
}

/** A place for each class to drop pictures on, or to choose them. */
function offerClasses(classes: readonly string[]): void {
	element("classes").replaceChildren(
		...classes.map((name, label) => {
			const place = document.createElement("fieldset");
			const legend = Object.assign(document.createElement("legend"), { textContent: name });
			const chooser = Object.assign(document.createElement("input"), {
				type: "file",
				multiple: true,
				accept: "image/*,.dcm,.dicom",
			});
			chooser.setAttribute("aria-label", `Pictures of ${name}`);
			const count = Object.assign(document.createElement("p"), { id: `count-${label}`, textContent: "0 pictures" });
			chooser.addEventListener("change", () => addFiles(chooser.files, label));
			place.addEventListener("dragover", (event) => {
				event.preventDefault();
				place.classList.add("over");
			});
			place.addEventListener("dragleave", () => place.classList.remove("over"));
			place.addEventListener("drop", (event) => {
				event.preventDefault();
				place.classList.remove("over");
				addFiles(event.dataTransfer?.files ?? null, label);
			});
			place.append(legend, chooser, count);
			return place;
		}),
	);
}

function addFiles(files: FileList | null, label: number): void {
	const pictures = Array.from(files ?? [], (file) => ({ name: file.name, file, label }));
	if (pictures.length > 0) ask({ type: "pictures", pictures });
}

/** Pictures from the camera count for the first class, until the button is pressed again. */
async function toggleCamera(): Promise<void> {
	if (camera !== undefined) {
		camera.abort();
		return;
	}
	camera = new AbortController();
	say("camera", "Stop the camera");
	try {
		for await (const sample of cameraFrames({ shape, signal: camera.signal })) ask({ type: "frame", sample, label: 0 });
	} catch (error) {
		say("failure", error instanceof Error ? error.message : String(error));
	} finally {
		camera = undefined;
		say("camera", "Take a picture every second");
	}
}

function element(id: string): HTMLElement {
	const found = document.getElementById(id);
	if (found === null) throw new Error(`the page has no #${id}`);
	return found;
}

function input(id: string): HTMLInputElement {
	return element(id) as HTMLInputElement;
}

function canvas(id: string): HTMLCanvasElement {
	return element(id) as HTMLCanvasElement;
}

function say(id: string, text: string): void {
	element(id).textContent = text;
}

function kilobytes(bytes: number): string {
	return `${(bytes / 1000).toFixed(1)} kB`;
}
