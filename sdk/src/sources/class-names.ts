/** Beats of the MIT-BIH sets, in the order of their labels (AAMI symbols N, L, R, A, V). */
export const ecgClasses: readonly string[] = ["N", "L", "R", "A", "V"];

/**
 * Class names by file name, without extension, of sets whose files do not carry them
 * (MedMNIST v2, `medmnist/info.py`; names shortened to words that fit a table).
 */
const classesByFile: Readonly<Record<string, readonly string[]>> = {
	pneumoniamnist: ["normal", "pneumonia"],
	breastmnist: ["malignant", "normal/benign"],
	bloodmnist: [
		"basophil",
		"eosinophil",
		"erythroblast",
		"immature granulocyte",
		"lymphocyte",
		"monocyte",
		"neutrophil",
		"platelet",
	],
	dermamnist: [
		"actinic keratosis",
		"basal cell carcinoma",
		"benign keratosis",
		"dermatofibroma",
		"melanoma",
		"melanocytic nevus",
		"vascular lesion",
	],
	octmnist: ["choroidal neovascularisation", "diabetic macular oedema", "drusen", "normal"],
};

/** Class names of a known set, or undefined. MedMNIST's larger pictures (`bloodmnist_64.npz`) count as the same set. */
export function knownClasses(fileName: string): readonly string[] | undefined {
	const base = fileName.replace(/(_\d+)?\.npz$/i, "").toLowerCase();
	return Object.hasOwn(classesByFile, base) ? classesByFile[base] : undefined;
}
