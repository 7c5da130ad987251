// JSON in the browser's two stores. Where a store is forbidden or full the page goes on without it.

function read(store, key, otherwise) {
  try {
    return JSON.parse(store().getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function write(store, key, value) {
  try {
    if (value === null) store().removeItem(key);
    else store().setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

const lasting = () => localStorage;
const passing = () => sessionStorage;

export const readLasting = (key, otherwise = null) => read(lasting, key, otherwise);
export const writeLasting = (key, value) => write(lasting, key, value);
export const readPassing = (key, otherwise = null) => read(passing, key, otherwise);
export const writePassing = (key, value) => write(passing, key, value);
