"""The gateway's page of the API: it loads from the gateway alone, and sends requests."""


def test_the_page_of_the_api_sends_requests(environment, open_page):
    page = open_page(role="")
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(f"{environment.gateway}/docs")
    page.get_by_role("button", name="Authorize").click(timeout=60_000)  # the page draws every method first
    page.locator(".auth-container input").fill(environment.keys["operator"])
    page.locator(".auth-btn-wrapper button[type=submit]").click()
    page.locator(".auth-btn-wrapper .btn-done").click()
    page.locator("#operations-tag-flywheel").click()
    operation = page.locator(".opblock-get", has_text="List all projects")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    status = operation.locator(".live-responses-table .response-col_status").last
    assert status.inner_text().startswith("200")
    own = (environment.gateway, environment.console, "data:")
    assert [url for url in requested if not url.startswith(own)] == []
