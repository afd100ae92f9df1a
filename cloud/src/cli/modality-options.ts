import { z } from "zod";
import { option } from "./options/option.js";

const title = z.string().regex(/^[\x21-\x5b\x5d-\x7e]{1,16}$/, "1 to 16 printable characters without spaces");

/** Images that come one by one, from a modality or into a folder, instead of from `--data`. */
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
	watch: option(
		"DIR",
		"take the DICOM files that come into this folder and below, in place of --data, and train when enough have a label",
		z.string().min(1).optional(),
	),
	labels: option(
		"FILE",
		"labels of images that come one by one: lines id,label, the id being that of image or study, the accession number or, with --watch, the file's name; read again as it grows",
		z.string().min(1).optional(),
	),
	collect: option("N", "images with a label to have before training", z.int().min(10).max(1_000_000).default(200)),
} as const;
