import { z } from "zod";
import { option } from "./options/option.js";

const title = z.string().regex(/^[\x21-\x5b\x5d-\x7e]{1,16}$/, "1 to 16 printable characters without spaces");

/** Images that come from a modality instead of from `--data`. */
export const modalityOptions = {
	dicomPort: option(
		"PORT",
		"receive images from modalities by DICOM C-STORE on this port, in place of --data, and train when enough have a label; 0 takes a free one",
		z.int().min(0).max(65_535).optional(),
	),
	dicomHost: option(
		"ADDRESS",
		"address to receive images on; DICOM is not encrypted, so anything but this machine needs a network of its own",
		z.string().min(1).default("127.0.0.1"),
	),
	dicomTitle: option("TITLE", "application entity title that modalities have to call (default: any)", title.optional()),
	dicomCaller: option("TITLE", "title of the one modality that may call (default: any)", title.optional()),
	labels: option(
		"FILE",
		"labels of received images: lines id,label, the id being that of image or study or the accession number; read again as it grows",
		z.string().min(1).optional(),
	),
	collect: option("N", "images with a label to receive before training", z.int().min(10).max(1_000_000).default(200)),
} as const;
