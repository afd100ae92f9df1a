/**
 * Class names by file name, without extension, of sets whose files do not carry them
 * (MedMNIST v2, `medmnist/info.py`; names shortened to words that fit a table).
 */
const classesByFile: Readonly<Record<string, readonly string[]>> = {
	// Beats of the MIT-BIH sets, by their annotation symbols.
	mitbih128: ["N", "L", "R", "A", "V"],
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
	// The findings of ChestX-ray14; several may apply to a picture.
	chestmnist: [
		"atelectasis",
		"cardiomegaly",
		"effusion",
		"infiltration",
		"mass",
		"nodule",
		"pneumonia",
		"pneumothorax",
		"consolidation",
		"oedema",
		"emphysema",
		"fibrosis",
		"pleural thickening",
		"hernia",
	],
	octmnist: ["choroidal neovascularisation", "diabetic macular oedema", "drusen", "normal"],
};

/**
 * Class names of a known set, or undefined. What follows an underscore does not count: MedMNIST's larger pictures
 * (`bloodmnist_64.npz`) and each draw of the beats (`mitbih128_disjoint.npz`) have the same classes.
 */
export function knownClasses(fileName: string): readonly string[] | undefined {
	const base = fileName.replace(/(_.*)?\.npz$/i, "").toLowerCase();
	return Object.hasOwn(classesByFile, base) ? classesByFile[base] : undefined;
}
