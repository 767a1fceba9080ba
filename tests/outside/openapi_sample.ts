// Calls the API through the types of its OpenAPI document, for the TypeScript compiler. Nothing of it runs.
// Each `@ts-expect-error` stands for a mistake that the compiler must find.
import createClient from "openapi-fetch";
import type { components, paths } from "./api";

type Schemas = components["schemas"];
const client = createClient<paths>({ baseUrl: "http://server", headers: { authorization: "Bearer rtn_key" } });
const params = { path: { project: "mail" } };

export async function datasets(): Promise<Schemas["Dataset"][]> {
  const query = { pageSize: 10 };
  const { data, error } = await client.GET("/v1/projects/{project}/datasets", { params: { ...params, query } });
  if (error) throw new Error(`${error.reason}: ${error.detail} (${error.violations?.map((each) => each.field)})`);
  return data.datasets ?? [];
}

export async function source(digest: string): Promise<string | undefined> {
  const body = { digest, format: "FORMAT_CSV", columns: { text: "body" } } satisfies Schemas["Source"];
  const { data } = await client.POST("/v1/projects/{project}/sources", { params, body });
  return data?.revision;
}

export async function answer(text: string): Promise<void> {
  const body = { model: "mail", messages: [{ role: "user", content: text }], temperature: 0 };
  await client.POST("/v1/chat/completions", { body });
}

export async function mistakes(): Promise<void> {
  // @ts-expect-error: there is no such path
  await client.GET("/v1/nothing");
  // @ts-expect-error: there is no such method of the path
  await client.DELETE("/v1/projects/{project}/datasets", { params });
  // @ts-expect-error: the project is missing
  await client.GET("/v1/projects/{project}/datasets", { params: { path: {} } });
  // @ts-expect-error: the format does not exist
  await client.POST("/v1/projects/{project}/sources", { params, body: { format: "CSV" } });
  // @ts-expect-error: the field does not exist
  const body: Schemas["Source"] = { colour: "red" };
  await client.POST("/v1/projects/{project}/sources", { params, body });
  // @ts-expect-error: the messages are missing
  await client.POST("/v1/chat/completions", { body: { model: "mail" } });
}
