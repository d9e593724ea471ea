// What a person does with the page, found by roles and labels, in French.

import { Wrong } from "./harness.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** The field in which one writes. @param {Page} page */
export const composer = (page) => page.getByRole("textbox", { name: /^Écrire / });

/** The messages of the conversation. @param {Page} page */
export const log = (page) => page.getByRole("log", { name: /^messages de / });

/** A message in it that is exactly `text`. @param {Page} page */
export const message = (page, text) => log(page).getByText(text, { exact: true });

/** Rooms, direct conversations, who is here. @param {Page} page */
export const places = (page) => page.getByRole("navigation", { name: "salons et membres" });

/** The live hub. @param {Page} page */
export const live = (page) => page.getByRole("complementary", { name: "Le hub en direct" });

/** Waits until the page is in a room. @param {Page} page */
export async function connected(page) {
  await page.getByText("connecté", { exact: true }).waitFor();
  await composer(page).waitFor();
}

/** Says something, by the keyboard. @param {Page} page */
export async function say(page, text) {
  await composer(page).fill(text);
  await composer(page).press("Enter");
}

/** Waits until it is heard; a second one of the same words is a failure at any moment. @param {Page} page */
export async function hears(page, text) {
  await message(page, text).first().waitFor();
  await once(page, text);
}

/** Fails unless it is there once. @param {Page} page */
export async function once(page, text) {
  const count = await message(page, text).count();
  if (count !== 1) throw new Wrong(`${JSON.stringify(text)} is there ${count} times`);
}

/** Takes a name. @param {Page} page */
export async function takeName(page, name) {
  await page.getByRole("button", { name: /^votre nom/ }).click();
  await page.getByRole("textbox", { name: /^votre nom/ }).fill(name);
  await page.getByRole("button", { name: "Prendre ce nom" }).click();
  await page.getByRole("button", { name: `votre nom : ${name}` }).waitFor();
}

/** Goes to a room by its name. @param {Page} page */
export async function enter(page, room) {
  await page.getByRole("textbox", { name: /^nom du salon/ }).fill(room);
  await page.getByRole("button", { name: "Entrer", exact: true }).click();
  await page.getByRole("heading", { name: `# ${room}` }).waitFor();
}

/** Opens the wire of a member of the table; gives its section. @param {Page} page */
export async function openWire(page, name) {
  const grid = live(page).getByRole("grid", { name: "membres du hub" });
  await grid.getByRole("gridcell", { name }).first().click();
  return wire(page, name);
}

/** The wire view of a member. @param {Page} page */
export const wire = (page, name) => page.getByRole("region", { name: `Le fil de ${name}` });
