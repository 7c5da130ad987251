// A recipe in an address and back. The names are those of the request.

const NUMBERS = ["num_inference_steps", "guidance_scale", "seed", "width", "height", "num_images", "lora_scale"];
const TEXTS = ["prompt", "negative_prompt", "sampler"];
const READABLE = { "%40": "@", "%3A": ":", "%7E": "~", "%2C": "," };

function noiseText(noise) {
  return noise ? `${noise.prompt_id}:${noise.replicate}` : null;
}

function noiseOf(text) {
  const [, prompt_id, replicate] = /^(\w+):(\d+)$/.exec(text ?? "") ?? [];
  return prompt_id ? { prompt_id, replicate: Number(replicate) } : null;
}

/** `%40` and its like are legal as they are behind a hash, and read better. */
function readable(text) {
  return text.replace(/%(40|3A|7E|2C)/g, (code) => READABLE[code]);
}

/** Two recipes with the same address give the same pictures. */
export function recipeHash(recipe) {
  const parameters = new URLSearchParams();
  const put = (name, value) => {
    if (value !== null && value !== undefined) parameters.append(name, value);
  };
  put("prompt", recipe.prompt);
  recipe.models.forEach((model) => put("models", model));
  [...TEXTS.slice(1), ...NUMBERS].forEach((name) => put(name, recipe[name]));
  put("noise", noiseText(recipe.noise));
  return `#compare?${readable(parameters.toString())}`;
}

export function recipeLink(recipe) {
  return location.origin + location.pathname + recipeHash(recipe);
}

function numberOf(text) {
  const value = Number(text);
  return text === null || text.trim() === "" || Number.isNaN(value) ? null : value;
}

export function recipeOf(parameters) {
  const recipe = { models: parameters.getAll("models"), noise: noiseOf(parameters.get("noise")) };
  TEXTS.forEach((name) => {
    recipe[name] = parameters.get(name);
  });
  NUMBERS.forEach((name) => {
    recipe[name] = numberOf(parameters.get(name));
  });
  return recipe;
}
